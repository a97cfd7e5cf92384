// Every container of the library: filled, empty, moved from, nested; in fill() they are locals of one
// frame each. corrupted() breaks some before it dies.
#include <any>
#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <forward_list>
#include <functional>
#include <initializer_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <stack>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#define KEEP(x) asm volatile("" : : "r"(&(x)) : "memory")

struct Point {
	int x, y;
	bool operator<(const Point &other) const
	{
		return x < other.x;
	}
};

struct alignas(32) Wide {
	char tag;
	bool operator<(const Wide &other) const
	{
		return tag < other.tag;
	}
};

enum class Colour { Red, Green };

__attribute__((noinline)) static void die()
{
	abort();
}

__attribute__((noinline)) static void corrupted()
{
	std::vector<int> backwards{ 1, 2, 3 }, far{ 4, 5 };
	std::list<int> ring{ 1, 2, 3 }, torn{ 4, 5 };
	std::forward_list<int> loop{ 7, 8 };
	std::string lost = "this one is long enough to be elsewhere";
	std::map<int, int> tree{ { 1, 10 }, { 2, 20 }, { 3, 30 } };
	std::unique_ptr<int> nowhere(new int(3));
	std::deque<int> blocks{ 1, 2, 3 };
	void **words;

	KEEP(backwards);
	KEEP(far);
	KEEP(ring);
	KEEP(torn);
	KEEP(loop);
	KEEP(lost);
	KEEP(tree);
	KEEP(nowhere);
	KEEP(blocks);
	words = (void **)&backwards;
	std::swap(words[0], words[1]);
	words = (void **)&far;
	words[1] = (char *)words[0] + (1ul << 44);
	words[2] = words[1];
	// Back to the first element instead of the end.
	{
		void **first = (void **)&ring.front();
		void **last = (void **)&ring.back();
		// The next link is the first word of libstdc++'s nodes and the second one of libc++'s.
		last[-2] = first - 2;
		last[-1] = first - 2;
		last = (void **)&torn.back();
		last[-2] = (void *)0x10;
		last[-1] = (void *)0x10;
		last = (void **)&*std::next(loop.begin());
		((void **)last)[-1] = (void **)&loop.front() - 1;
	}
	words = (void **)&nowhere;
	words[0] = (void *)0x18;
	KEEP(backwards);
	KEEP(far);
	KEEP(ring);
	KEEP(torn);
	KEEP(loop);
	KEEP(lost);
	KEEP(tree);
	KEEP(nowhere);
	KEEP(blocks);
	die();
}

__attribute__((noinline)) static void texts(const std::string &given, std::string &&moved)
{
	std::string empty, small = "short", large(60, 'x'), quoted = "a \"b\"\n", taken = std::move(moved);
	std::string longer;
	std::wstring wide = L"wide";
	std::u16string u16 = u"sixteen";
	std::u32string u32 = U"thirty-two";
	std::string_view view = given, none;
	std::string nul("a\0b", 3);
	std::string *pointed = &small;

	for (int i = 0; i < 300; i++)
		longer += (char)('a' + i % 26);
	KEEP(empty);
	KEEP(small);
	KEEP(large);
	KEEP(quoted);
	KEEP(taken);
	KEEP(longer);
	KEEP(wide);
	KEEP(u16);
	KEEP(u32);
	KEEP(view);
	KEEP(none);
	KEEP(nul);
	KEEP(pointed);
	corrupted();
}

__attribute__((noinline)) static void rows(std::initializer_list<int> given)
{
	std::vector<int> numbers{ 1, 2, 3 }, empty, moved{ 9 }, taken = std::move(moved), many(300, 7);
	std::vector<std::string> words{ "one", "two" };
	std::vector<std::vector<int>> nested{ { 1 }, {}, { 2, 3 } };
	std::vector<Point> points{ { 1, 2 }, { 3, 4 } };
	std::vector<bool> bits{ true, false, true }, no_bits, many_bits(70, true);
	std::vector<const char *> literals{ "a", nullptr };
	std::array<int, 3> array{ { 1, 2, 3 } };
	std::array<Point, 2> array_of_points{ { { 1, 2 }, { 3, 4 } } };
	std::deque<int> deque, no_deque;
	std::deque<std::string> deque_of_words{ "x", "y" };
	std::bitset<10> few("0000100101");
	std::bitset<200> more;
	auto at = numbers.begin();

	numbers.reserve(8);
	at = numbers.begin() + 1;
	for (int i = 0; i < 150; i++)
		deque.push_back(i);
	deque.pop_front();
	more.set(3).set(150);
	KEEP(numbers);
	KEEP(empty);
	KEEP(moved);
	KEEP(taken);
	KEEP(many);
	KEEP(words);
	KEEP(nested);
	KEEP(points);
	KEEP(bits);
	KEEP(no_bits);
	KEEP(many_bits);
	KEEP(literals);
	KEEP(array);
	KEEP(array_of_points);
	KEEP(deque);
	KEEP(no_deque);
	KEEP(deque_of_words);
	KEEP(few);
	KEEP(more);
	KEEP(at);
	KEEP(given);
	texts("given", "moved from a longer text than fits in");
}

__attribute__((noinline)) static void links()
{
	std::list<int> list{ 1, 2, 3 }, no_list;
	std::list<std::string> list_of_words{ "one", "two" };
	std::list<Wide> wides(2);
	std::forward_list<int> forward{ 1, 2, 3 }, no_forward;
	std::stack<int> stack;
	std::queue<int> queue;
	std::priority_queue<int> ranks;
	auto second = std::next(list.begin());

	for (auto &wide : wides)
		wide.tag = 'w';
	stack.push(1);
	stack.push(2);
	queue.push(3);
	ranks.push(4);
	ranks.push(5);
	KEEP(list);
	KEEP(no_list);
	KEEP(list_of_words);
	KEEP(wides);
	KEEP(forward);
	KEEP(no_forward);
	KEEP(stack);
	KEEP(queue);
	KEEP(ranks);
	KEEP(second);
	rows({ 5, 6 });
}

__attribute__((noinline)) static void trees()
{
	std::map<int, std::string> map{ { 1, "one" }, { 2, "two" } }, no_map;
	std::map<std::string, std::vector<int>> by_name{ { "a", { 1, 2 } }, { "b", {} } };
	std::multimap<int, int> multimap{ { 1, 10 }, { 1, 11 } };
	std::map<std::pair<int, int>, int> by_pair{ { { 1, 2 }, 3 } };
	std::set<int> set, no_set;
	std::set<char> letters{ 'a', 'b' };
	std::set<Wide> wides{ { 'a' }, { 'b' } };
	std::multiset<std::string> multiset{ "x", "x" };
	auto second = std::next(map.begin());

	for (int i = 0; i < 300; i++)
		set.insert(i * 7 % 300);
	KEEP(map);
	KEEP(no_map);
	KEEP(by_name);
	KEEP(multimap);
	KEEP(by_pair);
	KEEP(set);
	KEEP(no_set);
	KEEP(letters);
	KEEP(wides);
	KEEP(multiset);
	KEEP(second);
	links();
}

__attribute__((noinline)) static void hashes()
{
	std::unordered_map<int, std::string> map{ { 1, "one" } }, no_map;
	std::unordered_map<std::string, int> by_name{ { "a", 1 }, { "b", 2 } };
	std::unordered_set<int> set{ 1, 2, 3 };
	std::unordered_multimap<int, int> multimap{ { 1, 10 }, { 1, 11 } };
	std::unordered_multiset<std::string> multiset{ "x", "x" };

	KEEP(map);
	KEEP(no_map);
	KEEP(by_name);
	KEEP(set);
	KEEP(multimap);
	KEEP(multiset);
	trees();
}

static int twice(int x)
{
	return 2 * x;
}

struct Derived : std::string {
	int more = 1;
};

__attribute__((noinline)) static void holders(int argument)
{
	std::pair<int, std::string> pair{ 1, "one" };
	std::tuple<> nothing;
	std::tuple<int> one{ 1 };
	std::tuple<int, std::string, std::vector<int>> tuple{ 1, "two", { 3 } };
	std::tuple<std::less<int>, int> with_empty{ std::less<int>(), 4 };
	std::optional<int> some = 5, none;
	std::optional<std::vector<int>> some_vector{ { 1, 2 } };
	std::optional<std::string> some_text{ "text" };
	std::variant<int, std::string> first = 1, second = "text";
	std::variant<std::vector<int>, Point> third = Point{ 1, 2 };
	std::unique_ptr<int> owned(new int(7)), unowned;
	std::unique_ptr<Point[]> owned_array(new Point[2]());
	std::unique_ptr<FILE, int (*)(FILE *)> closed(nullptr, fclose);
	std::shared_ptr<Point> shared = std::make_shared<Point>(Point{ 1, 2 }), also = shared, unshared;
	std::shared_ptr<int> separate(new int(3));
	std::weak_ptr<Point> weak = shared;
	std::weak_ptr<int> expired = std::make_shared<int>(4);
	std::function<int(int)> function = twice, no_function, lambda = [argument](int x) {
		return x + argument;
	};
	std::chrono::milliseconds duration(1500);
	std::chrono::duration<double> seconds(2.5);
	std::chrono::hours hours(3);
	std::chrono::system_clock::time_point when{ std::chrono::seconds(1700000000) };
	std::chrono::steady_clock::time_point since{ std::chrono::seconds(5) };
	std::atomic<int> atomic{ 5 };
	std::atomic<bool> flag{ true };
	std::atomic<Point *> atomic_pointer{ nullptr };
	std::atomic<Colour> colour{ Colour::Green };
	std::any any = 5, no_any;
	std::complex<double> complex(1, 2);
	struct {
		std::string name;
		std::vector<int> numbers;
	} plain{ "name", { 1 } };
	Derived derived;

	KEEP(pair);
	KEEP(nothing);
	KEEP(one);
	KEEP(tuple);
	KEEP(with_empty);
	KEEP(some);
	KEEP(none);
	KEEP(some_vector);
	KEEP(some_text);
	KEEP(first);
	KEEP(second);
	KEEP(third);
	KEEP(owned);
	KEEP(unowned);
	KEEP(owned_array);
	KEEP(closed);
	KEEP(shared);
	KEEP(also);
	KEEP(unshared);
	KEEP(separate);
	KEEP(weak);
	KEEP(expired);
	KEEP(function);
	KEEP(no_function);
	KEEP(lambda);
	KEEP(duration);
	KEEP(seconds);
	KEEP(hours);
	KEEP(when);
	KEEP(since);
	KEEP(atomic);
	KEEP(flag);
	KEEP(atomic_pointer);
	KEEP(colour);
	KEEP(any);
	KEEP(no_any);
	KEEP(complex);
	KEEP(plain);
	KEEP(derived);
	hashes();
}

int main(int argc, char **)
{
	holders(argc);
}
