// Dies at a resource limit that it sets itself.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/resource.h>

static void limit(int resource, rlim_t value)
{
	struct rlimit limits;

	getrlimit(resource, &limits);
	limits.rlim_cur = value;
	if (setrlimit(resource, &limits) != 0)
		std::perror("setrlimit");
}

static char *volatile kept;

__attribute__((noinline)) static void grow()
{
	for (;;)
		kept = new char[4 << 20];
}

// Far from any limit: nobody has so much.
__attribute__((noinline)) static void ask_too_much()
{
	volatile std::size_t size = std::size_t(1) << 60;

	kept = new char[size];
}

__attribute__((noinline)) static void open_all()
{
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	std::abort();
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

	if (std::strcmp(way, "memory") == 0) {
		limit(RLIMIT_AS, 256 << 20);
		grow();
	}
	limit(RLIMIT_AS, std::strcmp(way, "data") == 0 ? RLIM_INFINITY : rlim_t(1) << 40);
	if (std::strcmp(way, "data") == 0) {
		limit(RLIMIT_DATA, 128 << 20);
		grow();
	}
	if (std::strcmp(way, "absurd") == 0)
		ask_too_much();
	limit(RLIMIT_NOFILE, 20);
	open_all();
}
