/* Recursion without an end. */
static int descend(volatile int *place, int depth)
{
	volatile int here[16] = { depth };

	return descend(here, depth + 1) + *place;
}

int main(int argc, char **argv)
{
	(void)argv;
	return descend(&argc, 0);
}
