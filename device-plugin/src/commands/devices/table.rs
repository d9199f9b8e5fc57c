//! The table: columns as wide as what is in them, a dash for what there is not. Pods name interfaces, so every line is spelt
//! out. On a terminal of 100 columns it has what people look for first, and longer cells are cut; `-o wide` has the rest.

use std::io::{self, Write};

use hardwire_cni::printable::printable;

use super::rows::{Report, Row};
use crate::commands::doctor::print::wrap::wrapped;
use crate::commands::terminal::Paint;

/// Columns of the terminal that it fits.
const TERMINAL: usize = 100;
/// Between two columns.
const GAP: &str = "  ";
/// Before what is left of a line below the table.
const FURTHER: &str = "  ";
/// No column is cut to less.
const NARROWEST: usize = 8;
/// Stands for what is cut.
const CUT: char = '…';

/// How wide it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// As a terminal.
    Terminal,
    /// As it comes, with all columns.
    Whole,
}

struct Column {
    head: &'static str,
    cell: fn(&Row) -> String,
    is_wide: bool,
}

const fn narrow(head: &'static str, cell: fn(&Row) -> String) -> Column {
    Column {
        head,
        cell,
        is_wide: false,
    }
}

const fn wide(head: &'static str, cell: fn(&Row) -> String) -> Column {
    Column {
        head,
        cell,
        is_wide: true,
    }
}

/// The first one is the device's id, and never cut; of the last one the beginning is kept.
const COLUMNS: [Column; 13] = [
    narrow("DEVICE", |row| row.device.clone()),
    narrow("PF", |row| text(row.pf_name.as_deref().or(row.pf.as_deref()))),
    narrow("VF", |row| number(row.vf)),
    narrow("DRIVER", |row| text(row.driver.as_deref())),
    narrow("NETDEV", |row| text(row.netdev.as_deref())),
    wide("MAC", |row| text(row.mac.as_deref())),
    wide("MTU", |row| number(row.mtu)),
    wide("NUMA", |row| number(row.numa_node)),
    narrow("POD", pod),
    wide("NETWORK", |row| text(row.network.as_deref())),
    wide("INTERFACE", |row| text(row.interface.as_deref())),
    wide("NETNS", |row| text(row.netns.as_deref())),
    narrow("POOL", pool),
];

pub(super) fn write(out: &mut impl Write, report: &Report, width: Width, paint: Paint) -> io::Result<()> {
    if report.devices.is_empty() {
        writeln!(out, "no network devices found")?;
    } else {
        write_rows(out, report, width, paint)?;
    }
    let skipped = report.skipped.iter();
    let skipped = skipped.map(|skipped| format!("skipped {}: {}", skipped.device, skipped.reason));
    let all = skipped
        .chain(report.unknown.iter().cloned())
        .chain(report.configuration.lines());
    for line in all {
        let line = printable(&line);
        match width {
            Width::Whole => writeln!(out, "{line}")?,
            Width::Terminal => below(out, &line)?,
        }
    }
    Ok(())
}

/// What stands below the table: its further lines are indented.
fn below(out: &mut impl Write, line: &str) -> io::Result<()> {
    for (index, line) in wrapped(line, TERMINAL - FURTHER.len()).iter().enumerate() {
        writeln!(out, "{}{line}", if index == 0 { "" } else { FURTHER })?;
    }
    Ok(())
}

fn write_rows(out: &mut impl Write, report: &Report, width: Width, paint: Paint) -> io::Result<()> {
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|column| width == Width::Whole || !column.is_wide)
        .collect();
    let spelt = |cell: String| printable(&cell).into_owned();
    let cells = |row: &Row| columns.iter().map(|column| spelt((column.cell)(row))).collect();
    let rows: Vec<Vec<String>> = report.devices.iter().map(cells).collect();
    let longest = |index: usize| rows.iter().map(|row| length(&row[index])).max().unwrap_or(0);
    let heads = columns.iter().enumerate();
    let natural: Vec<usize> = heads
        .map(|(index, column)| longest(index).max(length(column.head)))
        .collect();
    let widths = match width {
        Width::Terminal => fitted(&natural, TERMINAL),
        Width::Whole => natural.clone(),
    };
    let heads: Vec<String> = columns.iter().map(|column| column.head.to_owned()).collect();
    writeln!(out, "{}", paint.bold(&line(&heads, &widths)))?;
    for (row, cells) in report.devices.iter().zip(&rows) {
        let line = line(cells, &widths);
        let is_wrong = row.healthy == Some(false);
        writeln!(
            out,
            "{}",
            if is_wrong {
                paint.red(&line)
            } else {
                line.as_str().into()
            }
        )?;
    }
    if widths != natural {
        writeln!(out, "{CUT} is where a cell was too long: -o wide shows all")?;
    }
    Ok(())
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let last = cells.len() - 1;
    let padded = cells.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
        let cell = cut(cell, *width, index == last);
        format!("{cell:width$}")
    });
    padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}

/// Widths that add up to no more than `total`, taken from the widest columns but the first.
fn fitted(natural: &[usize], total: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    let gaps = GAP.len() * natural.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > total {
        let rest = widths.iter_mut().skip(1).filter(|width| **width > NARROWEST);
        match rest.max_by_key(|width| **width) {
            Some(widest) => *widest -= 1,
            None => break,
        }
    }
    widths
}

/// A text of at most so many characters: its beginning, or its beginning and its end, which tells pods apart.
fn cut(text: &str, width: usize, keep_beginning: bool) -> String {
    let length = length(text);
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let end = if keep_beginning { 0 } else { kept / 2 };
    let head: String = text.chars().take(kept - end).collect();
    let tail: String = text.chars().skip(length - end).collect();
    format!("{head}{CUT}{tail}")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn text(cell: Option<&str>) -> String {
    cell.unwrap_or("-").to_owned()
}

fn number(cell: Option<u32>) -> String {
    cell.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn pod(row: &Row) -> String {
    match (&row.namespace, &row.pod) {
        (Some(namespace), Some(pod)) => format!("{namespace}/{pod}"),
        _ => "-".to_owned(),
    }
}

fn pool(row: &Row) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_too_wide_is_cut_where_it_is_widest() {
        assert_eq!(fitted(&[12, 4, 2, 6, 8, 20, 13], 100), [12, 4, 2, 6, 8, 20, 13]);
        let widths = fitted(&[12, 8, 2, 8, 8, 90, 70], 100);
        assert_eq!(widths.iter().sum::<usize>() + 12, 100);
        assert_eq!((widths[0], widths[1]), (12, 8));
        assert!(widths[5].abs_diff(widths[6]) <= 1, "{widths:?}");
        // What is left of the columns is never nothing.
        assert_eq!(fitted(&[120, 50, 50], 100), [120, NARROWEST, NARROWEST]);
    }

    #[test]
    fn what_stands_below_the_table_fits_the_terminal_too() {
        let line = "which pod holds which device is not known: ".repeat(5);
        let mut out = Vec::new();
        below(&mut out, line.trim()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.lines().all(|line| length(line) <= TERMINAL) && text.lines().count() == 3,
            "{text}"
        );
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            line.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_cut_cell_keeps_what_tells_it_apart() {
        assert_eq!(cut("red/web-7d4b9c-x2x", 18, false), "red/web-7d4b9c-x2x");
        assert_eq!(cut("red/web-7d4b9c-x2x", 12, false), "red/we…c-x2x");
        assert_eq!(cut("no selector matches", 8, true), "no sele…");
        assert_eq!(length(&cut("ééééééé", 4, false)), 4);
    }
}
