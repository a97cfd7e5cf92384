// Ways of Rust to die whose verdict is known: the first argument says which.

#[inline(never)]
fn die_panic(n: usize) {
    panic!("no stock left of {}", n);
}

#[inline(never)]
fn die_literal(_n: usize) {
    panic!("no stock left");
}

#[inline(never)]
fn die_index(n: usize) -> u32 {
    [1, 2, 3][n + 5]
}

#[inline(never)]
fn die_unwrap(n: usize) -> usize {
    let nothing = if n > 99 { Some(n) } else { None };
    nothing.unwrap()
}

#[inline(never)]
fn die_expect(n: usize) -> usize {
    let nothing = if n > 99 { Some(n) } else { None };
    nothing.expect("a number")
}

#[inline(never)]
fn die_error(n: usize) -> usize {
    let parsed: Result<usize, _> = if n > 99 { Ok(n) } else { "x".parse() };
    parsed.unwrap()
}

#[inline(never)]
fn die_overflow(n: usize) -> u8 {
    (n as u8) + 254
}

#[inline(never)]
fn die_divide(n: usize) -> usize {
    5 / (n - 2)
}

#[inline(never)]
fn die_slice(n: usize) -> usize {
    let items = vec![1, 2, 3];
    items[n..n + 5].len()
}

#[inline(never)]
fn die_abort(_n: usize) {
    std::process::abort();
}

fn main() {
    let n = std::env::args().count();
    match std::env::args().nth(1).unwrap().as_str() {
        "panic" => die_panic(n),
        "literal" => die_literal(n),
        "index" => println!("{}", die_index(n)),
        "unwrap" => println!("{}", die_unwrap(n)),
        "expect" => println!("{}", die_expect(n)),
        "error" => println!("{}", die_error(n)),
        "overflow" => println!("{}", die_overflow(n)),
        "divide" => println!("{}", die_divide(n)),
        "slice" => println!("{}", die_slice(n)),
        _ => die_abort(n),
    }
}
