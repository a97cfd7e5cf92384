/* Recursion without an end; SIZE words per frame. */
#ifndef SIZE
#define SIZE 16
#endif

static int descend(volatile int *place, int depth)
{
	volatile int here[SIZE] = { depth };

	return descend(here, depth + 1) + *place;
}

int main(int argc, char **argv)
{
	(void)argv;
	return descend(&argc, 0);
}
