// The first unit of a generated program. Its threads walk through the units and wait there; when
// all have arrived the last one dies.
//
// usage: PROGRAM COUNT STRIDE THREADS
//   every thread but the first passes through COUNT units of its own, STRIDE units apart
#include <cstdlib>
#include <pthread.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "walk.h"

extern int (*const units[])(walk &);
extern const unsigned n_units;

static pthread_barrier_t ready;

static void arrive(const walk &on)
{
	pthread_barrier_wait(&ready);
	if (on.dies) {
		usleep(300000);
		*static_cast<volatile int *>(nullptr) = 1;
	}
	for (;;)
		pause();
}

static int pass(walk &on)
{
	if (on.left == 0) {
		arrive(on);
		return 0;
	}
	on.left--;
	return units[*on.units++](on) + 1;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 64;
	unsigned count = static_cast<unsigned>(atoi(argv[1]));
	unsigned stride = static_cast<unsigned>(atoi(argv[2]));
	unsigned n_threads = static_cast<unsigned>(atoi(argv[3])) - 1;
	std::vector<std::vector<unsigned>> plans(n_threads);
	std::vector<std::thread> threads;

	pthread_barrier_init(&ready, nullptr, n_threads);
	for (unsigned i = 0; i < n_threads; i++) {
		for (unsigned j = 0; j < count; j++)
			plans[i].push_back((i * count + j) * stride % n_units);
		threads.emplace_back([&plans, i, count, n_threads] {
			walk on{ pass, plans[i].data(), count, i == n_threads - 1 };
			pass(on);
		});
	}
	for (std::thread &thread : threads)
		thread.join();
}
