/* Writes to NULL+0x18, four calls deep. */
struct connection {
	long id, flags, bytes;
	long peer;
};

static __attribute__((noinline)) void session_close(struct connection *connection)
{
	connection->peer = 1;
	__asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) int serve(struct connection *connection, int depth)
{
	if (depth)
		return serve(connection, depth - 1) + 1;
	session_close(connection);
	return 0;
}

int main(int argc, char **argv)
{
	(void)argv;
	return serve((struct connection *)(long)(argc - 1), 3);
}
