//! When the kubelet is asked: one question at a time, and again if there was a reason to ask while one was under way.

use tokio::time::Instant;

/// Where the asking stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nobody wants to know.
    #[default]
    Quiet,
    /// To be asked then.
    Due(Instant),
    /// Asked.
    Asked,
    /// Asked, and to be asked again then.
    AskedAndDue(Instant),
}

/// The question, and how often it was answered.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Question {
    state: State,
    answers: u64,
}

// === impl Question ===

impl Question {
    /// It is to be asked then, or earlier if that was wanted already. Returns the number of the first answer that is new
    /// enough.
    pub(super) fn want(&mut self, at: Instant) -> u64 {
        self.state = match self.state {
            State::Quiet => State::Due(at),
            State::Due(due) => State::Due(due.min(at)),
            State::Asked => State::AskedAndDue(at),
            State::AskedAndDue(due) => State::AskedAndDue(due.min(at)),
        };
        match self.state {
            State::AskedAndDue(_) => self.answers + 2,
            _ => self.answers + 1,
        }
    }

    /// When it is to be asked.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.state {
            State::Due(due) => Some(due),
            _ => None,
        }
    }

    /// Whether an answer is under way.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked | State::AskedAndDue(_))
    }

    /// Whether that is now; if so, it is asked.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let begins = self.due().is_some_and(|due| due <= now);
        if begins {
            self.state = State::Asked;
        }
        begins
    }

    /// The answer came, whatever it is.
    pub(super) fn answered(&mut self) {
        self.answers += 1;
        self.state = match self.state {
            State::AskedAndDue(due) | State::Due(due) => State::Due(due),
            State::Quiet | State::Asked => State::Quiet,
        };
    }

    /// There will be no answer: it is asked again then.
    pub(super) fn lost(&mut self, at: Instant) {
        self.state = State::Due(at);
    }

    /// How many answers there were.
    pub(super) fn answers(&self) -> u64 {
        self.answers
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_asks_while_a_question_is_under_way_waits_for_the_next_answer() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(1);
        let mut question = Question::default();
        assert!(!question.take(begin));
        assert_eq!(question.want(later), 1);
        assert!(!question.take(begin), "not yet");
        assert_eq!(question.want(begin), 1);
        assert!(question.take(begin) && !question.take(later), "one at a time");
        assert_eq!(question.want(later), 2);
        question.answered();
        assert_eq!((question.answers(), question.due()), (1, Some(later)));
        assert!(question.take(later));
        question.answered();
        assert_eq!((question.answers(), question.due()), (2, None));
    }
}
