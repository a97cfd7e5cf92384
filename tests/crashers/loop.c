/* Starts a program RATE times a second for SECONDS and prints how often it died by a signal. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long rate = argc > 3 ? atol(argv[1]) : 0, n = rate * (argc > 3 ? atol(argv[2]) : 0), i;
	long died = 0;
	struct timespec next;
	int status;

	if (rate < 1)
		return 64;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0; i < n; i++) {
		pid_t child = vfork();

		if (child == 0) {
			execv(argv[3], argv + 3);
			_exit(127);
		}
		if (child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status))
			died++;
		next.tv_nsec += 1000000000 / rate;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("%ld\n", died);
	return 0;
}
