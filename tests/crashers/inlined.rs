// Inlined functions of Rust: generics, closures, traits, modules. Dies by an index out of bounds.
/// Hides a value from the optimiser.
#[inline(never)]
fn black_box<T>(value: T) -> T {
    unsafe {
        let kept = std::ptr::read_volatile(&value);
        std::mem::forget(value);
        kept
    }
}

mod outer {
    pub trait Act {
        fn act(&self, values: &[u32], at: usize) -> u32;
    }

    pub struct Reader<T> {
        pub offset: T,
    }

    impl<T: Into<usize> + Copy> Act for Reader<T> {
        #[inline(never)]
        fn act(&self, values: &[u32], at: usize) -> u32 {
            let offset: usize = self.offset.into();
            let result = pick(values, |index| index + offset, at);
            super::black_box(result) + 1
        }
    }

    #[inline(always)]
    fn pick<F: Fn(usize) -> usize>(values: &[u32], place: F, at: usize) -> u32 {
        values[place(at)]
    }
}

#[inline(never)]
fn run(act: &dyn outer::Act, values: &[u32]) -> u32 {
    let total: u32 = (0..10).map(|at| act.act(values, at)).sum();
    black_box(total) + 1
}

fn main() {
    let worker = std::thread::Builder::new().name("worker".into()).spawn(|| {
        let values = black_box(vec![1, 2, 3]);
        black_box(run(&outer::Reader { offset: 1u8 }, &values))
    });
    println!("{:?}", worker.unwrap().join());
}
