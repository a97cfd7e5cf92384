// A store to address 8 in native code of the runtime, below three methods.
import java.lang.reflect.Field;
import sun.misc.Unsafe;

public class NullStore {
	static void store(Unsafe unsafe, long address) { unsafe.putLong(address, 1); }

	static void work(Unsafe unsafe, int depth)
	{
		if (depth == 0)
			store(unsafe, 8);
		else
			work(unsafe, depth - 1);
	}

	public static void main(String[] arguments) throws Exception
	{
		Field field = Unsafe.class.getDeclaredField("theUnsafe");
		field.setAccessible(true);
		work((Unsafe)field.get(null), 3);
	}
}
