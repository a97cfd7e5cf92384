/* Built without call-frame information: frames must come from frame pointers and code. */
static volatile int sink;

static __attribute__((noinline)) void leaf(volatile int *place)
{
	*place = 1;
}

static __attribute__((noinline)) int level3(volatile int *place)
{
	leaf(place);
	return sink + 3;
}

static __attribute__((noinline)) int level2(volatile int *place)
{
	return level3(place) + 2;
}

static __attribute__((noinline)) int level1(volatile int *place)
{
	return level2(place) + 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	return level1((volatile int *)(long)(argc - 1)) + 1;
}
