/* Turns round for ever, with a number in a vector register and one of the thread's own. */
static __thread int own = 7;

__attribute__((noinline)) static double spin(double start)
{
	double kept = start * 1.5;

	own++;
	for (;;)
		__asm__ volatile("" : "+x"(kept), "+m"(own));
	return kept;
}

int main(int argc, char **argv)
{
	(void)argv;
	return (int)spin(argc * 2.5);
}
