//! Whatever goes wrong with IPAM or after it is undone.

use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

use super::{one_route_with, remarkable, routes, with_ipam};

#[test]
fn c45_an_error_of_ipam_is_ours_to_the_letter_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c45");
    let ipam = scene.plugin.fake_ipam("failing");
    for error in [
        json!({"code": 11, "msg": "try later", "details": "d"}),
        json!({"cniVersion": "0.3.1", "code": 123, "msg": "own \"code\""}),
    ] {
        ipam.fails("ADD", &error);
        scene.unchanged_by(|| {
            let ours = scene.call("ADD", &with_ipam(&extra, &ipam)).run().error();
            for key in ["code", "msg"] {
                assert_eq!(ours[key], error[key]);
            }
            // An absent text and an empty one are the same to every reader.
            let details = |error: &Value| error["details"].as_str().unwrap_or_default().to_owned();
            assert_eq!(details(&ours), details(&error));
        });
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL", "ADD", "DEL"]);
}

#[test]
fn c47_an_answer_of_ipam_that_is_none_is_an_error_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c47");
    let ipam = scene.plugin.fake_ipam("broken");
    let rows = [
        ("", ""),
        ("echo null", "IPAM plugin returned missing IP config"),
        ("echo '{}'", "IPAM plugin returned missing IP config"),
        ("echo not JSON", ""),
        ("echo '[]'", ""),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/24"}]}{}'"#,
            "",
        ),
        (
            r#"echo '{"cniVersion":"7.0.0","ips":[{"address":"10.77.0.5/24"}]}'"#,
            "7.0.0",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[]}'"#,
            "IPAM plugin returned missing IP config",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","routes":[]}'"#,
            "IPAM plugin returned missing IP config",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5"}]}'"#,
            "10.77.0.5",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"010.77.0.5/24"}]}'"#,
            "010.77.0.5/24",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/33"}]}'"#,
            "10.77.0.5/33",
        ),
        (
            r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.77.0.5/24"}],"routes":[{"dst":"x"}]}'"#,
            "x",
        ),
        ("exit 3", "netplugin failed with no error message: exit status 3"),
        ("echo lost >&2; exit 3", "netplugin failed"),
        (
            "echo garbage; exit 3",
            "netplugin failed but error parsing its diagnostic message",
        ),
        ("kill -9 $$", "netplugin failed"),
    ];
    let count = rows.len();
    scene.unchanged_by(|| {
        for (script, part) in rows {
            ipam.on("ADD", &format!("{script}\n"));
            scene.call("ADD", &with_ipam(&extra, &ipam)).run().error_naming(&[part]);
        }
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"].repeat(count));
}

#[test]
fn c49_an_address_given_twice_is_an_error_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c49");
    let ipam = scene.plugin.fake_ipam("twice");
    for address in ["10.77.0.5/24", "fd77::5/64"] {
        ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": address}, {"address": address}]}));
        scene.unchanged_by(|| {
            let bare = address.split('/').next().expect("an address");
            scene
                .call("ADD", &with_ipam(&extra, &ipam))
                .run()
                .error_naming(&[bare, "EEXIST"]);
        });
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL", "ADD", "DEL"]);
}

#[test]
fn c49_a_route_given_twice_is_set_once() {
    let mut scene = Scene::new("c49r");
    let ipam = scene.plugin.fake_ipam("twice");
    let route = json!({"dst": "10.91.0.0/16", "gw": "10.77.0.1"});
    let other = json!({"dst": "fd91::/64", "gw": "fd77::1"});
    ipam.gives(
        &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}, {"address": "fd77::5/64"}],
                       "routes": [route, other, route, other]}),
    );
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    one_route_with(&routes(&scene.pod, "-4"), &["10.91.0.0/16"]);
    let v6 = routes(&scene.pod, "-6");
    one_route_with(&v6, &["fd91::/64"]);
    assert!(!v6.iter().any(|route| route.contains("nexthop")), "{v6:#?}");
    scene.del(&extra);
}

#[test]
fn c49_a_route_that_cannot_be_set_is_named_and_everything_is_undone() {
    let (mut scene, extra) = remarkable("c49x");
    let ipam = scene.plugin.fake_ipam("far");
    ipam.gives(&json!({"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.5/24"}],
                       "routes": [{"dst": "10.92.0.0/16"}, {"dst": "10.91.0.0/16", "gw": "172.31.0.1"}]}));
    scene.unchanged_by(|| {
        let error = scene.call("ADD", &with_ipam(&extra, &ipam)).run();
        error.error_naming(&["10.91.0.0/16", "172.31.0.1"]);
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn c50_the_error_of_add_is_reported_even_if_ipam_del_fails_too() {
    let (mut scene, extra) = remarkable("c50");
    let ipam = scene.plugin.fake_ipam("failing");
    ipam.fails("ADD", &json!({"code": 11, "msg": "first"}));
    ipam.fails("DEL", &json!({"code": 12, "msg": "second"}));
    scene.unchanged_by(|| {
        let error = scene.call("ADD", &with_ipam(&extra, &ipam)).run().error();
        assert_eq!((&error["code"], &error["msg"]), (&json!(11), &json!("first")));
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}

#[test]
fn a_failed_roll_back_of_ipam_is_no_reason_to_keep_an_address_of_host_local() {
    let scene = Scene::new("hostlocal");
    // The route's gateway is on no network of the pod, so that ADD fails after host-local gave an address.
    let mut ipam = scene.plugin.host_local("10.50.0.0/24");
    ipam["routes"] = json!([{"dst": "10.91.0.0/16", "gw": "172.31.0.1"}]);
    scene.unchanged_by(|| {
        scene.call("ADD", &json!({ "ipam": ipam })).run().error();
    });
    assert_eq!(scene.plugin.reservations("net-a"), Vec::<String>::new());
}
