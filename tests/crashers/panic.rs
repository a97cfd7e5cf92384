// A panic in a named thread, built with panic=abort.
use std::thread;

#[inline(never)]
fn pick(items: &[u32], index: usize) -> u32 {
    items[index]
}

#[inline(never)]
fn work(count: usize) -> u32 {
    let items: Vec<u32> = (0..count as u32).collect();
    pick(&items, count + 3) + 1
}

fn main() {
    let worker = thread::Builder::new()
        .name("worker".into())
        .spawn(|| work(std::env::args().count()))
        .unwrap();
    println!("{}", worker.join().unwrap());
}
