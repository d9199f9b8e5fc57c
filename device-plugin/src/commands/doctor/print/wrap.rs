//! Lines of at most so many columns.

/// Breaks a text between words; a word that is longer stays whole.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        let length = line.chars().count() + 1 + word.chars().count();
        if line.is_empty() {
            line.push_str(word);
        } else if length <= columns {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// Breaks a command so that it stays the same command when it is copied: with a backslash between words, and without one within
/// single quotes, where only patches in YAML's flow style have spaces that may be ends of lines.
pub fn wrapped_command(command: &str, columns: usize) -> Vec<String> {
    let mut lines = wrapped(command, columns.saturating_sub(2));
    let mut quotes = 0;
    let count = lines.len();
    for line in lines.iter_mut().take(count.saturating_sub(1)) {
        quotes += line.matches('\'').count();
        if quotes % 2 == 0 {
            line.push_str(" \\");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_long_but_of_one_word() {
        assert_eq!(wrapped("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrapped("abcdefgh ij", 5), ["abcdefgh", "ij"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn a_broken_command_is_the_same_to_a_shell() {
        let command = "printf %s/ one 'two  three: {a: b}' $((1 + 1))";
        let lines = wrapped_command(command, 12);
        assert!(lines.len() > 3, "{lines:?}");
        let words = |script: &str| {
            let output = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(words(&lines.join("\n")), words(command));
    }
}
