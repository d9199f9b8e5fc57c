//! The table of deploy/README.md is made of doctor's findings.

use hardwire_device_plugin::commands::doctor::name::Name;

const README: &str = include_str!("../../../deploy/README.md");

#[test]
fn each_finding_has_its_line_in_the_table_of_troubleshooting() {
    let (_, table) = README.split_once("\n## Troubleshooting\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let lines: Vec<String> = Name::ALL
        .iter()
        .map(|name| format!("| `{name}` | {} | {} |", name.about(), name.mended_by()))
        .collect();
    let missing: Vec<&String> = lines
        .iter()
        .filter(|line| !table.lines().any(|found| found == **line))
        .collect();
    assert!(missing.is_empty(), "deploy/README.md lacks:\n{}", lines.join("\n"));
    let of_doctor = table.lines().filter(|line| line.starts_with("| `"));
    let unknown: Vec<&str> = of_doctor
        .filter(|line| !lines.iter().any(|known| known == line))
        .collect();
    assert!(unknown.is_empty(), "no finding of doctor's: {unknown:#?}");
}
