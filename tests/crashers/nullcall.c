/* Calls through a function pointer that is NULL. */
struct operations {
	int (*open)(int);
};

static struct operations operations;

static __attribute__((noinline)) int dispatch(const struct operations *table, int argument)
{
	return table->open(argument) + 1;
}

int main(int argc, char **argv)
{
	(void)argv;
	return dispatch(&operations, argc) + 1;
}
