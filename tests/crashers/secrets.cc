// Dies of an exception whose text holds a password.
#include <stdexcept>

int main()
{
	throw std::runtime_error("connect failed: postgres://app:hunter-in-what@db/main");
}
