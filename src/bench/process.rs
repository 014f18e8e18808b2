//! What this process, or another, uses up, as far as the system tells it: Linux does.

use std::{fs, time::Duration};

/// Time that the processor spent on this process so far, all threads together.
pub(super) fn processor() -> Option<Duration> {
    of(std::process::id())
}

/// The same of another process.
pub(super) fn of(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything. In user and kernel mode are the 12th and 13th behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().ok());
    let ticks = ticks.sum::<Option<u64>>()?;
    // A hundredth of a second each, whatever the kernel's own clock is.
    Some(Duration::from_millis(10 * ticks))
}

/// How much memory another process has now, in bytes.
pub(super) fn memory_of(pid: u32) -> Option<u64> {
    status(pid, "VmRSS:")
}

/// Forgets how much memory there once was, so that [`peak`] tells of what comes from here on.
pub(super) fn forget_peak() {
    // Where this cannot be done the peak is that of the whole run, which is no less.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process had at a time, in bytes.
pub(super) fn peak() -> Option<u64> {
    status(std::process::id(), "VmHWM:")
}

/// A line of a process's status that is a size, in bytes.
fn status(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}
