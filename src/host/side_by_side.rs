//! Looks that do not wait for each other.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many go side by side: most of each is waiting for a process on a host.
const SIDE_BY_SIDE: usize = 4;

/// `work` for each of `all`, some at once; what came of them in the order of `all`.
pub fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let share = || {
        let mut mine = Vec::new();
        while let Some((at, one)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, all.get(at)?))) {
            mine.push((at, work(one)));
        }
        mine
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|threads| {
        let workers: Vec<_> = (0..SIDE_BY_SIDE.min(all.len())).map(|_| threads.spawn(share)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.flat_map(|mine| mine.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Two looks at once; what came of both.
pub fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|threads| {
        let one = threads.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_come_back() {
        assert_eq!(both(|| "one", || 2), ("one", 2));
    }

    #[test]
    fn results_come_in_order_and_each_once() {
        let all: Vec<u32> = (0..50).collect();
        assert_eq!(side_by_side(&all, |n| n * 2), all.iter().map(|n| n * 2).collect::<Vec<_>>());
        assert!(side_by_side(&[] as &[u32], |n| *n).is_empty());
    }

    #[test]
    #[should_panic(expected = "three")]
    fn a_panic_is_not_lost() {
        side_by_side(&[1, 2, 3], |n| assert_ne!(*n, 3, "three"));
    }
}
