//! What a load costs the machine: CPU time, memory and bytes written to disk, of this process and of the servers
//! beside it. Read from /proc; without it, nothing is reported.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

/// By the name that a process has in the report.
pub(super) type Usage = BTreeMap<&'static str, Used>;

#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Used {
    pub(super) cpu_ms: u64,
    pub(super) memory_mib: u64,
    /// Only for this process: the kernel does not tell for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) written_bytes: Option<u64>,
}

/// Servers on this machine whose cost belongs to an order as well.
const SERVERS: [(&str, &str); 2] = [("beam.smp", "rabbitmq"), ("postgres", "postgres")];

/// Since the processes were started.
pub(super) fn usage(with_servers: bool) -> Usage {
    let mut usage = Usage::new();
    if let Some(own) = of_process("self") {
        usage.insert("checkout", Used { written_bytes: written(), ..own });
    }
    if !with_servers {
        return usage;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().into_string().ok()) {
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let server = SERVERS.iter().find(|(name, _)| *name == command.trim_end());
        if let Some((_, name)) = server
            && let Some(one) = of_process(&pid)
        {
            let all = usage.entry(name).or_default();
            all.cpu_ms += one.cpu_ms;
            all.memory_mib += one.memory_mib;
        }
    }
    usage
}

/// What was used from `before` to `after`; memory is as it was in the end.
pub(super) fn between(before: &Usage, after: &Usage) -> Usage {
    let used = |(name, after): (&&'static str, &Used)| {
        let before = before.get(name).copied().unwrap_or_default();
        let cpu_ms = after.cpu_ms.saturating_sub(before.cpu_ms);
        let written_bytes = after.written_bytes.zip(before.written_bytes).map(|(a, b)| a.saturating_sub(b));
        (*name, Used { cpu_ms, memory_mib: after.memory_mib, written_bytes })
    };
    after.iter().map(used).collect()
}

fn of_process(pid: &str) -> Option<Used> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Used { cpu_ms: cpu_ms(&stat)?, memory_mib: memory_mib(&status).unwrap_or(0), written_bytes: None })
}

/// The kernel counts in ticks, a hundred a second everywhere Linux runs.
fn cpu_ms(stat: &str) -> Option<u64> {
    // The name before stands in parentheses, and may hold any characters.
    let after_name = stat.rsplit(')').next()?;
    let ticks = |field: usize| after_name.split_whitespace().nth(field)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) * 10)
}

fn memory_mib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn written() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "77 (a) b) S 1 77 77 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 200";
        assert_eq!(cpu_ms(stat), Some(3000));
        assert_eq!(memory_mib("Name:\tx\nVmRSS:\t   40960 kB\n"), Some(40));
        assert_eq!(cpu_ms("nothing of the kind"), None);
    }

    #[test]
    fn what_was_used_is_the_difference_and_memory_is_the_last() {
        let used = |cpu_ms, memory_mib, written| Used { cpu_ms, memory_mib, written_bytes: written };
        let before = Usage::from([("checkout", used(100, 10, Some(5)))]);
        let after = Usage::from([("checkout", used(150, 20, Some(9))), ("postgres", used(30, 7, None))]);
        let between = between(&before, &after);
        assert_eq!((between["checkout"].cpu_ms, between["checkout"].memory_mib), (50, 20));
        assert_eq!(between["checkout"].written_bytes, Some(4));
        assert_eq!((between["postgres"].cpu_ms, between["postgres"].written_bytes), (30, None));
    }
}
