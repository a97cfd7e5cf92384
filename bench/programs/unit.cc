// One unit of a big C++ program: many instantiations of many templates, so that its debug
// information is large, and a visit() whose stack passes through inlined and virtual functions.
// Compiled once; the name "unit0000" is then replaced in copies of the object file.
#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "walk.h"

// How many instances of the containers and of the plain records there are; the second give entries
// with few names, as big programs have them.
#ifndef KINDS
#define KINDS 2
#endif
#ifndef RECORDS
#define RECORDS 500
#endif

namespace unit0000
{

static volatile long sink;

template <int N> struct item {
	long rank = N;
	std::string name;
	std::vector<item> children;

	bool operator<(const item &other) const
	{
		return std::tie(rank, name) < std::tie(other.rank, other.name);
	}
	bool operator==(const item &other) const
	{
		return rank == other.rank && name == other.name;
	}
};

template <int N> struct hasher {
	std::size_t operator()(const item<N> &value) const
	{
		return std::hash<std::string>()(value.name) ^ static_cast<std::size_t>(value.rank);
	}
};

template <int N> struct stage {
	virtual ~stage() = default;
	virtual int run(walk &on, item<N> &with);

	std::map<item<N>, std::shared_ptr<item<N>>> known;
	std::unordered_map<item<N>, std::vector<std::string>, hasher<N>> seen;
	std::set<item<N>> chosen;
	std::deque<std::optional<item<N>>> waiting;
	std::list<std::variant<item<N>, std::string, long>> log;
	std::function<int(walk &, item<N> &)> last;
};

template <int N> struct collector {
	stage<N> &of;

	long collect(const std::string &text)
	{
		std::vector<item<N>> all;
		std::ostringstream out;

		for (char letter : text) {
			item<N> one{ letter, text.substr(static_cast<std::size_t>(letter) % 5), {} };
			all.push_back(one);
			of.known.emplace(one, std::make_shared<item<N>>(one));
			of.seen[one].push_back(text);
			of.chosen.insert(one);
			of.waiting.emplace_back(one);
			of.log.emplace_back(one.rank);
			of.log.emplace_front(one);
		}
		std::sort(all.begin(), all.end());
		std::stable_sort(all.begin(), all.end(), [](const auto &a, const auto &b) {
			return a.name < b.name;
		});
		auto end = std::unique(all.begin(), all.end());
		all.erase(std::remove_if(all.begin(), end, [](const auto &a) { return a.rank == N; }),
			  all.end());
		for (const auto &entry : of.log)
			std::visit([&out](const auto &value) {
				if constexpr (std::is_same_v<std::decay_t<decltype(value)>, item<N>>)
					out << value.name;
				else
					out << value;
			}, entry);
		sink = static_cast<long>(out.str().size());
		return std::accumulate(all.begin(), all.end(), 0L,
				       [](long sum, const auto &a) { return sum + a.rank; });
	}
};

template <int N> struct record {
	enum class state { fresh, queued, running, waiting, finished, failed, dropped };
	enum class reason { none, timeout, refused, broken, full, denied, missing, stale, unknown };
	struct span {
		long start, end;
		int line, column;
		bool open, exact;
	};
	struct account {
		long user, system, waited, slept, read, written, sent, received, faults, switches;
		double load, peak, mean, spread;
	};
	long rank, weight, created, changed, started, stopped, expires, renewed;
	double load, limit, share, speed, target, slack;
	const char *label, *owner, *place, *title, *origin, *mirror;
	account total, recent, previous;
	reason why, before_that;
	unsigned first_page, last_page, pages, blocks, fragments, holes;
	int error, signal, status, attempts, version, revision;
	state now, before;
	span whole, body, rest[N % 5 + 2];
	unsigned flags : 4, level : 12, shard : 16;
	record *left, *right, *parent;
	int (*check)(const record &, long);
	unsigned char digest[N % 7 + 16];

	inline __attribute__((always_inline)) long length(const span &of) const
	{
		return of.end - of.start;
	}
	inline __attribute__((always_inline)) long all() const
	{
		return length(whole) + length(body) * 3 + length(rest[0]) + length(rest[1]);
	}
};

template <int N> static long weigh(const record<N> *heap, unsigned count)
{
	long sum = 0;

	for (unsigned i = 0; i < count; i++) {
		const record<N> &one = heap[i];
		if (one.now == record<N>::state::dropped || (one.check && !one.check(one, sum)))
			continue;
		if (one.left && one.right)
			sum += one.left->all() - one.right->all();
		else if (one.parent)
			sum += one.parent->all() + one.length(one.parent->body);
		sum ^= one.all() + one.digest[one.level % sizeof(one.digest)];
	}
	return sum;
}

template <int N> inline __attribute__((always_inline)) int hand_on(walk &on, item<N> &with)
{
	int result = on.next(on);

	sink = with.rank;
	return result + 1;
}

template <int N, typename F> inline __attribute__((always_inline)) int each(item<N> &with, F call)
{
	int sum = 0;

	for (int i = 0; i < 2; i++)
		sum += call(with);
	return sum;
}

template <int N> __attribute__((noinline)) int stage<N>::run(walk &on, item<N> &with)
{
	std::vector<item<N>> one{ with };
	int result = 0;

	std::for_each(one.begin(), one.end(), [&](item<N> &each_one) {
		result += last ? last(on, each_one) : 0;
	});
	sink = result;
	return result;
}

template <int... N>
static long weigh_all(const void *heap, unsigned count, std::integer_sequence<int, N...>)
{
	return (weigh(static_cast<const record<N> *>(heap), count) ^ ...);
}

template <int... N> static long instantiate(const std::string &text, std::integer_sequence<int, N...>)
{
	return ([&text] {
		stage<N> of;
		return collector<N>{ of }.collect(text);
	}() + ...);
}

long collect_all(const std::string &text)
{
	return instantiate(text, std::make_integer_sequence<int, KINDS>());
}

long weigh_all(const void *heap, unsigned count)
{
	return weigh_all(heap, count, std::make_integer_sequence<int, RECORDS>());
}

int visit(walk &on)
{
	auto first = std::make_unique<stage<1>>();
	item<1> with{ 1, "walker", {} };
	int result;

	first->last = [](walk &further, item<1> &value) {
		return each(value, [&further](item<1> &inner) { return hand_on(further, inner); });
	};
	result = first->run(on, with);
	sink = result;
	return result + 1;
}

} // namespace unit0000
