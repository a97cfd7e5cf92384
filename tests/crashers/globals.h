/* What globals.cc and globals_other.cc share. */
struct hidden;

struct settings {
	static int total;
	int own;
};

struct shape {
	virtual ~shape();
	virtual int area();
	int sides;
};

hidden *make_hidden();
shape &make_shape();
int library_value();
