//! The table: columns as wide as what is in them, a dash for what there is not. Pods name interfaces, so every line is spelt
//! out.

use std::io::{self, Write};

use hardwire_cni::printable::printable;

use super::rows::{Report, Row};

const HEAD: [&str; 13] = [
    "DEVICE",
    "PF",
    "VF",
    "DRIVER",
    "NETDEV",
    "MAC",
    "MTU",
    "NUMA",
    "POD",
    "NETWORK",
    "INTERFACE",
    "NETNS",
    "POOL",
];

type Cells = [String; HEAD.len()];

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    if report.devices.is_empty() {
        writeln!(out, "no network devices found")?;
    } else {
        let head = HEAD.map(str::to_owned);
        let rows: Vec<Cells> = std::iter::once(head).chain(report.devices.iter().map(cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for row in &rows {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            writeln!(out, "{}", printable(line.trim_end()))?;
        }
    }
    for skipped in &report.skipped {
        let line = format!("skipped {}: {}", skipped.device, skipped.reason);
        writeln!(out, "{}", printable(&line))?;
    }
    for unknown in &report.unknown {
        writeln!(out, "{}", printable(unknown))?;
    }
    for line in report.configuration.lines() {
        writeln!(out, "{}", printable(&line))?;
    }
    Ok(())
}

fn cells(row: &Row) -> Cells {
    let text = |cell: Option<&str>| cell.unwrap_or("-").to_owned();
    let number = |cell: Option<u32>| cell.map_or_else(|| "-".to_owned(), |number| number.to_string());
    [
        row.device.clone(),
        text(row.pf_name.as_deref().or(row.pf.as_deref())),
        number(row.vf),
        text(row.driver.as_deref()),
        text(row.netdev.as_deref()),
        text(row.mac.as_deref()),
        number(row.mtu),
        number(row.numa_node),
        pod(row),
        text(row.network.as_deref()),
        text(row.interface.as_deref()),
        text(row.netns.as_deref()),
        pool_cell(row),
    ]
}

fn pod(row: &Row) -> String {
    match (&row.namespace, &row.pod) {
        (Some(namespace), Some(pod)) => format!("{namespace}/{pod}"),
        _ => "-".to_owned(),
    }
}

fn pool_cell(row: &Row) -> String {
    match (&row.pool, &row.reason) {
        (Some(pool), _) if row.healthy == Some(false) => {
            let reason = row.unhealthy_because.as_deref().unwrap_or("no reason known");
            format!("{pool} (unhealthy: {reason})")
        }
        (Some(pool), _) => pool.clone(),
        (None, Some(reason)) => format!("- ({reason})"),
        (None, None) => "-".to_owned(),
    }
}
