//! The runs: each disturbs one system call of one ADD or DEL.

use super::recovery::{same, succeeded};
use super::{Recovery, Report, Scene, Subject, Verb};
use crate::node::Pod;
use crate::plugin::Outcome;
use crate::trace::{Disturbance, Kind, Moment, Point, Traced, trace};

/// All runs with one kind of subject.
pub struct Matrix<S, F> {
    make: F,
    subject: Option<S>,
    pods: (Option<Pod>, Option<Pod>),
    report: Report,
}

impl<S, F> std::fmt::Debug for Matrix<S, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matrix")
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// One disturbed call.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    verb: Verb,
    at: usize,
    point: &'a Point,
}

impl<S: Subject, F: Fn() -> S> Matrix<S, F> {
    /// With a subject to begin with.
    pub fn new(title: &str, make: F) -> Self {
        Self {
            subject: Some(make()),
            make,
            pods: (None, None),
            report: Report::new(title),
        }
    }

    /// Kills the call at the chosen points, before and after, and lets a runtime and the daemon find what it left. Where
    /// its IPAM process lives on, that ends before they come, and again after.
    #[track_caller]
    pub fn kill(&mut self, verb: Verb, chosen: impl Fn(&Point) -> bool) {
        for (at, point) in self.points(verb, chosen) {
            let run = Run {
                verb,
                at,
                point: &point,
            };
            let mut outcomes = Vec::new();
            for (moment, word) in moments(&point) {
                let holds: &[bool] = if may_be_held(&point, moment) {
                    &[false, true]
                } else {
                    &[false]
                };
                for hold in holds {
                    for (how, by) in [(Recovery::Runtime, "DEL"), (Recovery::Repair, "repair")] {
                        let later = if *hold { ", then IPAM ends" } else { "" };
                        let outcome = self.one(|scene| killed(scene, run, moment, how, *hold));
                        outcomes.push((format!("{word}, {by}{later}"), outcome));
                    }
                }
            }
            self.report.line(&format!("{} {at}", verb.name()), &point, &outcomes);
        }
    }

    /// Refuses each of the chosen netlink requests of the call once, with each of these errors.
    #[track_caller]
    pub fn refuse(&mut self, verb: Verb, errnos: &[(i32, &str)], chosen: impl Fn(&Point) -> bool) {
        let requests = |point: &Point| matches!(point.kind, Kind::Question | Kind::Change) && chosen(point);
        for (at, point) in self.points(verb, requests) {
            let run = Run {
                verb,
                at,
                point: &point,
            };
            let mut outcomes = Vec::new();
            for (errno, name) in errnos {
                let disturbance = Disturbance::Refuse { at, errno: *errno };
                let outcome = self.one(|scene| failed(scene, run, disturbance, true));
                outcomes.push((format!("refused with {name}"), outcome));
            }
            self.report.line(&format!("{} {at}", verb.name()), &point, &outcomes);
        }
    }

    /// Lets each system call on the state directory fail, with each of these errors: it alone, and all from it on.
    #[track_caller]
    pub fn fail(&mut self, verb: Verb, errnos: &[(i32, &str)]) {
        for (at, point) in self.points(verb, |point| point.kind == Kind::State) {
            let run = Run {
                verb,
                at,
                point: &point,
            };
            let mut outcomes = Vec::new();
            for (errno, name) in errnos {
                for (lasting, word) in [(false, "once"), (true, "from here on")] {
                    let disturbance = Disturbance::Fail {
                        at,
                        errno: *errno,
                        lasting,
                    };
                    let outcome = self.one(|scene| failed(scene, run, disturbance, !lasting));
                    outcomes.push((format!("{name} {word}"), outcome));
                }
            }
            self.report.line(&format!("{} {at}", verb.name()), &point, &outcomes);
        }
    }

    /// Prints the sum, and fails the test where a run failed.
    #[track_caller]
    pub fn finish(self) {
        self.report.finish();
    }

    /// The points of an undisturbed call, with their places among all.
    #[track_caller]
    fn points(&mut self, verb: Verb, chosen: impl Fn(&Point) -> bool) -> Vec<(usize, Point)> {
        let mut points = Vec::new();
        let undisturbed = self.one(|scene| {
            let before = scene.prepare(verb)?;
            let traced = trace(&scene.call_first(verb.command()), Disturbance::None, false);
            succeeded(verb.name(), &traced.outcome)?;
            points = traced.points;
            succeeded("DEL", &scene.call_first("DEL").run())?;
            same("undisturbed", &before, &scene.look())
        });
        assert_eq!(undisturbed, Ok(()));
        points
            .into_iter()
            .enumerate()
            .filter(|(_, point)| chosen(point))
            .collect()
    }

    /// Runs one. What one that failed has left, subject or pods, is not used again.
    fn one(&mut self, run: impl FnOnce(&mut Scene<'_, S>) -> Result<(), String>) -> Result<(), String> {
        let subject = self.subject.get_or_insert_with(&self.make);
        let mut scene = Scene::new(subject, std::mem::take(&mut self.pods));
        let outcome = run(&mut scene);
        if outcome.is_ok() {
            self.pods = (scene.first, Some(scene.second));
        } else {
            drop(scene);
            self.subject = None;
        }
        outcome
    }
}

fn moments(point: &Point) -> Vec<(Moment, &'static str)> {
    let mut moments = vec![(Moment::Before, "before")];
    if point.starts_ipam() {
        moments.push((Moment::During, "during"));
    }
    moments.push((Moment::After, "after"));
    moments
}

/// Whether the IPAM process is there and need not have ended: until the plugin waits for what it says.
fn may_be_held(point: &Point, moment: Moment) -> bool {
    point.starts_ipam() && moment != Moment::Before || point.beside_helper && !point.waits()
}

fn disturbed<S: Subject>(
    scene: &Scene<'_, S>,
    run: Run<'_>,
    disturbance: Disturbance,
    hold: bool,
) -> Result<Traced, String> {
    let traced = trace(&scene.call_first(run.verb.command()), disturbance, hold);
    let what = traced.points.get(run.at).map(|point| &point.what);
    if what == Some(&run.point.what) {
        Ok(traced)
    } else {
        Err(format!("its point was another call this time: {what:?}"))
    }
}

fn killed<S: Subject>(
    scene: &mut Scene<'_, S>,
    run: Run<'_>,
    moment: Moment,
    how: Recovery,
    hold: bool,
) -> Result<(), String> {
    let disturbance = Disturbance::Kill { at: run.at, moment };
    let before = scene.prepare(run.verb)?;
    let mut traced = disturbed(scene, run, disturbance, hold)?;
    if traced.outcome.status != -1 {
        return Err("it was not killed".to_owned());
    }
    if let (Some(ipam), false) = (&mut traced.helper, hold) {
        ipam.finish();
    }
    scene.recover(how, &before, traced.helper)
}

/// A call that could not do one thing: it succeeds all the same, or says so; then ADD leaves no trace (`clean`), and DEL
/// does what is left when it is called again.
fn failed<S: Subject>(
    scene: &mut Scene<'_, S>,
    run: Run<'_>,
    disturbance: Disturbance,
    clean: bool,
) -> Result<(), String> {
    let before = scene.prepare(run.verb)?;
    let traced = disturbed(scene, run, disturbance, false)?;
    if !traced.disturbed {
        return Err("it was not disturbed".to_owned());
    }
    if traced.outcome.status != 0 {
        says_why(&traced.outcome)?;
        if run.verb == Verb::Add && clean {
            same("after the ADD that failed", &before, &scene.look().without_leftovers())?;
        }
    }
    scene.recover(Recovery::Runtime, &before, None)
}

fn says_why(outcome: &Outcome) -> Result<(), String> {
    let error: serde_json::Value = serde_json::from_str(&outcome.stdout)
        .map_err(|error| format!("stdout is no error object: {error}: {:?}", outcome.stdout))?;
    let complete = error["code"].as_u64().is_some_and(|code| code != 0)
        && error["msg"].as_str().is_some_and(|msg| !msg.is_empty())
        && outcome.status == 1;
    complete.then_some(()).ok_or_else(|| format!("no CNI error: {error}"))
}
