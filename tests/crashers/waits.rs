//! Threads that wait for a lock of Rust's own, which does not say who holds it.
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::{thread, time};

fn main() {
    let lock = Arc::new(Mutex::new(7));
    let held = lock.lock().unwrap();
    for _ in 0..2 {
        let lock = lock.clone();
        thread::spawn(move || *lock.lock().unwrap() += 1);
    }
    thread::sleep(time::Duration::from_millis(100));
    println!("ready");
    std::io::stdout().flush().unwrap();
    thread::sleep(time::Duration::from_secs(1000));
    drop(held);
}
