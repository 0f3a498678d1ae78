//! What the functions write down.

use std::io;
use std::sync::{Arc, Mutex};

/// Everything that was logged, in the product's own lines.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Logs as the functions do, at `level`, to here, for the whole process: every test is one.
    pub(crate) fn start(level: &str) -> Self {
        let log = Self::default();
        let lines = log.clone();
        portal_http::logging::start(level, move || lines.clone());
        log
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("a log").clone()).expect("lines are text")
    }
}
