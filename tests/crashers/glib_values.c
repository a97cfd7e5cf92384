/* Dies with containers of GLib in its arguments, two of them broken. */
#include <glib.h>
#include <signal.h>

struct owner {
	GList *list;
	GHashTable *table;
};

__attribute__((noinline)) static int die(GList *names, GList *ring, GList *nothing, GSList *single,
					 GQueue *queue, GQueue *lying, GHashTable *table,
					 GHashTable *set, GHashTable *empty, GPtrArray *rows,
					 GString *text)
{
	struct owner owner = { names, table };

	raise(SIGSEGV);
	return owner.list && ring && nothing && single && queue && lying && set && empty && rows &&
	       text;
}

int main(void)
{
	GHashTable *table = g_hash_table_new(g_direct_hash, g_direct_equal);
	GHashTable *set = g_hash_table_new(g_direct_hash, g_direct_equal);
	GHashTable *empty = g_hash_table_new(g_str_hash, g_str_equal);
	GQueue *queue = g_queue_new(), *lying = g_queue_new();
	GPtrArray *rows = g_ptr_array_new();
	GString *text = g_string_new("grown");
	GList *names = NULL, *ring = NULL;
	GSList *single = NULL;

	for (int i = 1; i <= 300; i++)
		single = g_slist_prepend(single, GINT_TO_POINTER(i));
	for (int i = 1; i <= 4; i++) {
		names = g_list_append(names, GINT_TO_POINTER(10 * i));
		ring = g_list_append(ring, GINT_TO_POINTER(i));
		g_queue_push_tail(queue, GINT_TO_POINTER(i));
		g_queue_push_tail(lying, GINT_TO_POINTER(i));
		g_ptr_array_add(rows, GINT_TO_POINTER(i));
	}
	g_list_last(ring)->next = ring->next;
	lying->length = 9;
	g_hash_table_insert(table, GINT_TO_POINTER(1), GINT_TO_POINTER(17));
	g_hash_table_insert(table, GINT_TO_POINTER(2), GINT_TO_POINTER(18));
	/* A value that needs 64 bits changes how all are kept. */
	g_hash_table_insert(table, GINT_TO_POINTER(3), GSIZE_TO_POINTER(0x123456789a));
	g_hash_table_remove(table, GINT_TO_POINTER(2));
	g_hash_table_add(set, GINT_TO_POINTER(7));
	return die(names, ring, NULL, single, queue, lying, table, set, empty, rows, text);
}
