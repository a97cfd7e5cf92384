# The front door; the build itself is meson's. `make help` lists what there is.
BUILD := build
STAGE := $(abspath $(BUILD))/stage
MESON_OPTIONS ?=

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/install-deps --check build
	@meson setup $(BUILD) $(MESON_OPTIONS)

quickstart: ## one crash from the kernel to a query, on this machine (ONESHOT=1 leaves at once)
	@tools/install-deps build quickstart
	@$(MAKE) --no-print-directory all
	@meson install -C $(BUILD) --quiet --no-rebuild --destdir $(abspath $(BUILD))/quickstart
	@tools/quickstart

check: ## everything that must pass (SYSTEM=1: core_pattern too)
	@tools/install-deps build check
	@$(MAKE) --no-print-directory stage
	@tools/run-tests

stage: all ## installs below build/stage, where everything runs uninstalled
	@meson install -C $(BUILD) --quiet --no-rebuild --destdir $(STAGE)
	@install -d -m 0700 $(STAGE)/var/coresnap/archive/pending \
		$(STAGE)/var/coresnap/archive/sending $(STAGE)/var/coresnap/archive/assets

install: all ## installs below $(DESTDIR)/opt/backtrace
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir $(DESTDIR))
	@tools/link-programs "$(DESTDIR)"

uninstall: ## removes what install put in place; settings and data stay
	@[ -n "$(DESTDIR)" ] || [ ! -x /etc/init.d/coresnapd ] || /etc/init.d/coresnapd stop
	@[ -n "$(DESTDIR)" ] || [ ! -x /opt/backtrace/bin/coresnap ] || /opt/backtrace/bin/coresnap disable
	@tools/uninstall $(BUILD) "$(DESTDIR)"

e2e: stage ## the black-box tests alone
	@CSN_STAGE=$(STAGE) /usr/bin/python3 -m pytest -q tests/e2e

bench: ## the measured promises beside their peers (CASES="headline vim": those alone)
	@tools/install-deps build check bench
	@$(MAKE) --no-print-directory stage
	@bench/run

lint: ## layers, banned functions, budgets, documentation, clang-format, clang-tidy
	@tools/install-deps build lint
	@$(MAKE) --no-print-directory all
	@tools/check-layers && tools/check-banned && tools/check-budgets && tools/check-docs && \
		tools/check-security
	@git ls-files 'lib/*.[ch]' 'prog/*.[ch]' 'tests/*.[ch]' | xargs clang-format --dry-run --Werror
	@git ls-files 'lib/*.c' 'prog/*.c' | xargs -P"$$(nproc)" -n1 clang-tidy --quiet -p $(BUILD)

fmt: ## clang-format
	@git ls-files 'lib/*.[ch]' 'prog/*.[ch]' 'tests/*.[ch]' | xargs clang-format -i

asan: ## unit tests and fuzz corpora under the address and undefined-behaviour sanitizers
	@tools/install-deps build
	@[ -d build-asan ] || meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false
	@meson test -C build-asan --print-errorlogs

fuzz: ## fuzzes one parser: make fuzz T=note
	@tools/fuzz "$(T)"

soak: stage ## what takes long, SECONDS=600 of each: fuzzing, damaged files, single-stepping, a crash loop
	@tools/install-deps build check
	@tools/soak $(STEPS)

golden: stage ## rewrites the golden files; the diff is the review
	@CSN_STAGE=$(STAGE) GOLDEN=write /usr/bin/python3 -m pytest -q tests/e2e -k golden
	@GOLDEN=write meson test -C $(BUILD) --quiet test_snapshot

deps: ## installs the distribution's packages that building and testing need
	@tools/install-deps build check lint quickstart

clean: ## removes the build folders
	@rm -rf $(BUILD) build-asan build-fuzz build-soak

help: ## this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

.PHONY: all quickstart check stage install uninstall e2e bench lint fmt asan fuzz soak golden deps clean help
