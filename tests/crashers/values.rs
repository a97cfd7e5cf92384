// Values of Rust: each line that it prints is a name and what {:?} makes of it. Then it dies.
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone)]
struct Point { x: i32, y: i32 }
#[derive(Debug)]
struct Pair(i32, String);
#[derive(Debug)]
struct Unit;
#[derive(Debug)]
enum Shape { Dot, Circle(f64), Rect { w: u32, h: u32 } }
#[derive(Debug)]
enum Only { One(u8) }
#[derive(Debug)]
enum Color { Red = 3, Green = -7 }
#[derive(Debug)]
struct Tree { value: u32, left: Option<Box<Tree>>, right: Option<Box<Tree>> }
#[derive(Debug)]
struct Generic<T> { held: T, list: Vec<T> }

macro_rules! show {
    ($($name:ident)*) => { $(println!("{} = {:?}", stringify!($name), $name);)* };
}

#[inline(never)]
fn die(n: usize) {
    if n > 0 { std::process::abort(); }
}

#[inline(never)]
fn plain(n: usize) {
    let (yes, byte, least, most) = (n == 1, 200u8, i64::MIN, u64::MAX);
    let (wide, letter, sharp, quote) = (-5i128, 'x', 'ß', '\'');
    let (half, one, tiny, huge) = (0.5f64, 1.0f32, 1e-7f64, 1e300f64);
    let (third, none, infinite) = (1.0f32 / 3.0, f64::NAN, f64::NEG_INFINITY);
    let unit = ();
    let numbers = [1u16, 2, 3];
    let slice = &numbers[1..];
    let empty: &[u16] = &[];
    let bytes: &[u8] = b"xyz";
    let many = [7u8; 40];
    let grid = [[1, 2], [3, 4]];
    let text = "hello";
    let strange = "tab\t \"quoted\" \\ \u{7f} ünï \0";
    let tuple = (1, 2u8, 'z');
    let single = (9,);
    show!(yes byte least most wide letter sharp quote half one tiny huge third none infinite unit);
    show!(numbers slice empty bytes many grid text strange tuple single);
    die(n);
    show!(yes byte least most wide letter sharp quote half one tiny huge third none infinite unit);
    show!(numbers slice empty bytes many grid text strange tuple single);
}

#[inline(never)]
fn shapes(n: usize) {
    let point = Point { x: 1, y: -2 };
    let pair = Pair(3, "abc".to_string());
    let empty = Unit;
    let shapes = [Shape::Dot, Shape::Circle(2.5), Shape::Rect { w: 1, h: 2 }];
    let only = Only::One(8);
    let (red, green) = (Color::Red, Color::Green);
    let some = Some("abc");
    let none: Option<&str> = None;
    let number = Some(5i32);
    let twice = Some(Some(3u8));
    let inner_none: Option<Option<u8>> = Some(None);
    let flag = Some(true);
    let boxed = Some(Box::new(4));
    let no_box: Option<Box<i32>> = None;
    let ok: Result<i32, String> = Ok(3);
    let error: Result<i32, String> = Err("bad".to_string());
    let reference = &point;
    let referred = &&pair;
    let less = 1.cmp(&2);
    let leaf = Tree { value: 2, left: None, right: None };
    let tree = Tree { value: 1, left: Some(Box::new(leaf)), right: None };
    let generic = Generic { held: 1u8, list: vec![2, 3] };
    show!(point pair empty shapes only red green some none number twice inner_none flag boxed);
    show!(no_box ok error reference referred less tree generic);
    die(n);
    show!(point pair empty shapes only red green some none number twice inner_none flag boxed);
    show!(no_box ok error reference referred less tree generic);
}

#[inline(never)]
fn library(n: usize) {
    let string = String::from("world");
    let no_string = String::new();
    let vector = vec![1, 2, 3];
    let no_vector: Vec<u64> = Vec::new();
    let strings = vec!["a".to_string(), "b".to_string()];
    let nested = vec![vec![1], vec![], vec![2, 3]];
    let mut ring = VecDeque::with_capacity(4);
    for i in 0..9 { ring.push_back(i); if i > 3 { ring.pop_front(); } }
    let boxed = Box::new(Point { x: 5, y: 6 });
    let words: Box<str> = "boxed".into();
    let counted = Rc::new(Point { x: 7, y: 8 });
    let shared = Arc::new("shared".to_string());
    let letters: Rc<str> = "letters".into();
    let weak = Rc::downgrade(&counted);
    let cell = Cell::new(5);
    let cell2 = RefCell::new(vec![1]);
    let lock = Mutex::new(Some(1));
    let hash: HashMap<&str, i32> = HashMap::from([("one", 1), ("two", 2), ("three", 3)]);
    let hashes: HashSet<u32> = (0..50).collect();
    let no_hash: HashMap<u8, u8> = HashMap::new();
    let tree: BTreeMap<u32, String> = (0..60).map(|i| (i * 2, format!("v{}", i))).collect();
    let set: BTreeSet<char> = "tree".chars().collect();
    let no_tree: BTreeMap<u8, u8> = BTreeMap::new();
    let os = OsString::from("os");
    let path = PathBuf::from("/a/b c");
    let place = path.as_path();
    let (lasts, short) = (Duration::from_millis(1500), Duration::from_nanos(1_020));
    let (count, atom) = (AtomicU32::new(9), AtomicBool::new(true));
    let not_zero = std::num::NonZeroU32::new(3);
    let cow: Cow<str> = Cow::Borrowed("cow");
    show!(string no_string vector no_vector strings nested ring boxed words counted shared letters);
    show!(weak cell cell2 hash hashes no_hash tree set no_tree os path place lasts short count atom);
    show!(not_zero cow);
    println!("lock = Mutex {{ data: {:?}, poisoned: false }}", lock.lock().unwrap());
    die(n);
    show!(string no_string vector no_vector strings nested ring boxed words counted shared letters);
    show!(weak cell cell2 hash hashes no_hash tree set no_tree os path place lasts short count atom);
    show!(not_zero cow lock);
}

fn main() {
    let n = std::env::args().count();
    match std::env::args().nth(1).unwrap().as_str() {
        "plain" => plain(n),
        "shapes" => shapes(n),
        _ => library(n),
    }
}
