//! A thread for work that would block an event loop for too long.

use std::sync::mpsc;
use std::{io, thread};

/// Lower priority than the event loops. If processors are scarce, connected clients come first.
const NICENESS: i32 = 5;

/// A thread, its queue of tasks and its queue of results, both first in, first out. The thread ends
/// when this value is dropped.
#[derive(Debug)]
pub struct Worker<Task, Done> {
    tasks: mpsc::Sender<Task>,
    done: mpsc::Receiver<Done>,
}

impl<Task: Send + 'static, Done: Send + 'static> Worker<Task, Done> {
    /// Starts the thread. It passes each task to `work`, queues the result, and calls `announce`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(
        name: String,
        mut work: impl FnMut(Task) -> Done + Send + 'static,
        mut announce: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let (tasks, queue) = mpsc::channel();
        let (results, done) = mpsc::channel();
        thread::Builder::new().name(name).spawn(move || {
            // On Linux this applies to the calling thread alone. If it is not permitted, the thread
            // has the same priority as the others.
            let _ = rustix::process::nice(NICENESS);
            for task in queue {
                if results.send(work(task)).is_err() {
                    return; // Nobody waits for the other results.
                }
                announce();
            }
        })?;
        Ok(Self { tasks, done })
    }

    /// Queues a task.
    ///
    /// # Errors
    /// Returns the task if the thread has ended, which happens only after a panic in `work`.
    pub fn give(&self, task: Task) -> Result<(), Task> {
        self.tasks.send(task).map_err(|mpsc::SendError(task)| task)
    }

    /// Takes the oldest result, if there is one. Never blocks.
    pub fn take(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_comes_back_in_order_and_is_announced() {
        let (announcement, announced) = mpsc::channel();
        let announce = move || announcement.send(()).expect("somebody listens");
        let worker = Worker::start("double".to_owned(), |number: u32| number * 2, announce);
        let worker = worker.expect("a thread");
        for number in 0..100 {
            worker.give(number).expect("it runs");
        }
        (0..100).for_each(|_| announced.recv().expect("one announcement for each"));
        let done: Vec<_> = std::iter::from_fn(|| worker.take()).collect();
        assert_eq!(done, (0..100).map(|number| number * 2).collect::<Vec<_>>());
    }

    #[test]
    fn it_ends_with_its_owner_whatever_is_left_to_do() {
        let (ended, end) = mpsc::channel::<()>();
        let (first, begun) = mpsc::channel();
        let (go_on, gone_on) = mpsc::channel::<()>();
        let work = move |_: u32| {
            let _held = &ended;
            first.send(()).expect("somebody listens");
            gone_on.recv().unwrap_or_default();
        };
        let worker = Worker::start("slow".to_owned(), work, || {}).expect("a thread");
        (0..1_000).for_each(|number| worker.give(number).expect("it runs"));
        begun.recv().expect("it has begun");
        drop(worker);
        drop(go_on);
        assert!(end.recv().is_err(), "the thread is gone, and what it held");
        assert_eq!(begun.try_iter().count(), 0, "and did not do the rest");
    }

    #[test]
    fn where_it_is_gone_the_task_is_given_back() {
        let worker = Worker::start("broken".to_owned(), |number: u32| 1 / number, || {});
        let worker = worker.expect("a thread");
        worker.give(0).expect("it runs");
        let given_back = std::iter::repeat_with(|| worker.give(7)).find_map(Result::err);
        assert_eq!((given_back, worker.take()), (Some(7), None));
    }
}
