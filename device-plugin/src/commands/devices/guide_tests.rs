//! The tables that deploy/README.md shows are what the command prints.

use super::rows::{Report, Row};
use super::table::{Width, write};
use super::*;

const GUIDE: &str = include_str!("../../../../deploy/README.md");

/// The blocks that begin as the table does, without what the list around them indents.
fn tables() -> Vec<Vec<&'static str>> {
    let mut tables: Vec<Vec<&str>> = Vec::new();
    let mut is_table = false;
    for line in GUIDE.lines() {
        let bare = line.trim_start();
        if bare.starts_with("DEVICE ") {
            is_table = true;
            tables.push(Vec::new());
        }
        is_table &= !bare.starts_with("```");
        if is_table {
            tables.last_mut().unwrap().push(bare);
        }
    }
    tables
}

/// The cell below a head; `None` for a dash, or without that column.
fn cell<'a>(heads: &str, line: &'a str, head: &str) -> Option<&'a str> {
    let from = heads
        .match_indices(head)
        .find(|(at, _)| *at == 0 || heads[..*at].ends_with("  "))?
        .0;
    let until = heads[from..].find("  ").map(|end| from + end);
    let until = until.map(|end| end + heads[end..].len() - heads[end..].trim_start().len());
    let text = line[from..until.unwrap_or(line.len()).min(line.len())].trim_end();
    Some(text).filter(|text| *text != "-")
}

fn row(heads: &str, line: &str) -> Row {
    let text = |head| cell(heads, line, head).map(str::to_owned);
    let number = |head| cell(heads, line, head).map(|number| number.parse().unwrap());
    let owned = |(namespace, pod): (&str, &str)| (namespace.to_owned(), pod.to_owned());
    let holder = cell(heads, line, "POD").and_then(|pod| pod.split_once('/'));
    let (namespace, pod) = holder.map(owned).unzip();
    let mut row = Row {
        device: text("DEVICE").unwrap(),
        pf_name: text("PF"),
        vf: number("VF"),
        driver: text("DRIVER"),
        netdev: text("NETDEV"),
        mac: text("MAC"),
        mtu: number("MTU"),
        numa_node: number("NUMA"),
        network: text("NETWORK"),
        interface: text("INTERFACE"),
        netns: text("NETNS"),
        namespace,
        pod,
        ..Row::default()
    };
    let pool = text("POOL").unwrap();
    if let Some(reason) = pool.strip_prefix("- (") {
        row.reason = reason.strip_suffix(')').map(str::to_owned);
    } else if let Some((pool, reason)) = pool.split_once(" (unhealthy: ") {
        row.pool = Some(pool.to_owned());
        row.healthy = Some(false);
        row.unhealthy_because = reason.strip_suffix(')').map(str::to_owned);
    } else {
        row.pool = Some(pool);
    }
    row
}

#[test]
fn each_table_of_the_guide_is_one_that_the_command_prints() {
    let tables = tables();
    assert!(tables.len() >= 3, "{tables:?}");
    for shown in tables {
        let heads = shown[0];
        let is_row = |line: &&&str| line.starts_with("0000:");
        let file = shown
            .iter()
            .find_map(|line| line.strip_prefix("pools: those in force in the running hardwired, from "));
        let report = Report {
            devices: shown.iter().filter(is_row).map(|line| row(heads, line)).collect(),
            skipped: Vec::new(),
            unknown: Vec::new(),
            configuration: configuration::Told {
                source: configuration::Source::Daemon,
                file: Some(file.unwrap().into()),
                reason: None,
                refused: Vec::new(),
                bad_file: None,
                provisioning: Vec::new(),
            },
        };
        let width = if heads.contains("MAC") {
            Width::Whole
        } else {
            Width::Terminal
        };
        let mut printed = Vec::new();
        write(&mut printed, &report, width, Paint::NONE).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), format!("{}\n", shown.join("\n")));
    }
}
