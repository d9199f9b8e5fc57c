//! The report: a table for people, a document for programs.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::figures::{Figure, GROUPS};
use super::measured::Measured;

/// The table: each figure, its bar, and whether it is met.
pub fn table(measured: &Measured) -> String {
    let mut text = String::new();
    for (headline, figures) in GROUPS {
        line(&mut text, headline);
        for figure in figures {
            row(&mut text, figure, measured);
        }
        line(&mut text, "");
    }
    line(&mut text, "Medians, ms");
    for (name, value) in &measured.milliseconds {
        line(&mut text, &format!("  {name:<44} {value:>10.2}"));
    }
    if !measured.notes.is_empty() {
        line(&mut text, "");
    }
    for note in &measured.notes {
        line(&mut text, note);
    }
    line(&mut text, "");
    line(&mut text, &summary(measured));
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes it");
}

fn row(text: &mut String, figure: &Figure, measured: &Measured) {
    let possible = measured.possible.get(figure.name).copied();
    let (value, verdict) = match measured.figures.get(figure.name).copied() {
        Some(value) if figure.bar.is_met(value, possible) => (format!("{value:.2}"), "met"),
        Some(value) => (format!("{value:.2}"), "MISSED"),
        None => ("-".to_owned(), "not measured"),
    };
    let (name, bar, what) = (figure.name, figure.bar.show(possible), figure.what);
    line(text, &format!("  {name:<40} {value:>7}  {bar:<8} {verdict:<12} {what}"));
}

fn summary(measured: &Measured) -> String {
    let missed = missed(measured);
    let all: Vec<_> = GROUPS.iter().flat_map(|(_, figures)| *figures).collect();
    let found = all
        .iter()
        .filter(|figure| measured.figures.contains_key(figure.name))
        .count();
    format!(
        "{} bars met, {} missed, {} not measured",
        found - missed.len(),
        missed.len(),
        all.len() - found
    )
}

fn missed(measured: &Measured) -> Vec<&'static str> {
    let all = GROUPS.iter().flat_map(|(_, figures)| *figures);
    let is_missed = |figure: &&Figure| {
        measured
            .figures
            .get(figure.name)
            .is_some_and(|value| !figure.bar.is_met(*value, measured.possible.get(figure.name).copied()))
    };
    all.filter(is_missed).map(|figure| figure.name).collect()
}

/// The document: figures by their names, and beside them what is missed, what they are made of, and the notes.
pub fn document(measured: &Measured) -> Value {
    let figures = measured
        .figures
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)));
    let mut document: Map<String, Value> = figures.collect();
    document.insert("missed".to_owned(), json!(missed(measured)));
    document.insert("milliseconds".to_owned(), json!(measured.milliseconds));
    document.insert("latency_against_parallelism".to_owned(), json!(measured.curves));
    document.insert("notes".to_owned(), json!(measured.notes));
    document.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_bar_is_called_so_and_what_is_not_measured_too() {
        let mut measured = Measured::default();
        measured.figure("add_over_floor", 1.05);
        let ms = std::time::Duration::from_millis;
        measured.against("host_device_add_over_ours", ms(29), ms(10), ms(9));
        measured.against("host_device_del_over_ours", ms(29), ms(10), ms(10));
        let table = table(&measured);
        let verdict = |name: &str| {
            let row = table
                .lines()
                .find(|line| line.trim_start().starts_with(name))
                .expect("a row");
            row.split_whitespace().nth(4).expect("a verdict").to_owned()
        };
        assert_eq!(verdict("add_over_floor"), "met");
        assert_eq!(verdict("host_device_add_over_ours"), "MISSED");
        assert_eq!(verdict("host_device_del_over_ours"), "met");
        assert_eq!(verdict("binary_mib"), "not");
        assert!(table.ends_with("2 bars met, 1 missed, 32 not measured\n"), "{table}");
        let document = document(&measured);
        assert_eq!(document["add_over_floor"], 1.05);
        assert_eq!(document["missed"], json!(["host_device_add_over_ours"]));
    }
}
