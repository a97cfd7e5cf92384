/* Dies with lists, queues and hash tables of GLib: whole ones, and some that are broken. */
#include <glib.h>
#include <signal.h>

__attribute__((noinline)) static int die(GList *names, GList *ring, GList *unlinked, GSList *single,
					 GQueue *queue, GQueue *lying, GHashTable *table)
{
	GList *nothing = NULL;

	raise(SIGSEGV);
	return names && ring && unlinked && single && queue && lying && table && !nothing;
}

int main(void)
{
	GList *names = NULL, *ring = NULL, *unlinked = NULL;
	GSList *single = NULL;
	GQueue *queue = g_queue_new(), *lying = g_queue_new();
	GHashTable *table = g_hash_table_new(g_str_hash, g_str_equal);

	names = g_list_append(names, (gpointer) "alpha");
	names = g_list_append(names, (gpointer) "beta");
	names = g_list_append(names, (gpointer) "gamma");
	for (int i = 1; i <= 20; i++)
		single = g_slist_prepend(single, GINT_TO_POINTER(i));
	for (int i = 1; i <= 4; i++) {
		ring = g_list_append(ring, GINT_TO_POINTER(i));
		unlinked = g_list_append(unlinked, GINT_TO_POINTER(i));
		g_queue_push_tail(queue, GINT_TO_POINTER(i));
		g_queue_push_tail(lying, GINT_TO_POINTER(i));
	}
	g_list_last(ring)->next = ring->next;
	unlinked->next->next->prev = unlinked;
	lying->length = 9;
	g_hash_table_insert(table, (gpointer) "one", (gpointer) "eins");
	g_hash_table_insert(table, (gpointer) "two", (gpointer) "zwei");
	return die(names, ring, unlinked, single, queue, lying, table);
}
