// An exception that nobody catches, thrown in a second thread.
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace shop
{
template <typename T> struct Cart {
	std::vector<T> items;
	__attribute__((noinline)) T at(std::size_t i) const
	{
		if (i >= items.size())
			throw std::out_of_range("no item " + std::to_string(i));
		return items[i];
	}
};

__attribute__((noinline)) int checkout(const Cart<int> &cart)
{
	return cart.at(7) + 1;
}
} // namespace shop

int main()
{
	std::thread worker([] {
		shop::Cart<int> cart{ { 1, 2, 3 } };
		return shop::checkout(cart);
	});
	worker.join();
}
