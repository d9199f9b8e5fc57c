# The dashboard of deploy/prometheus, from a short list of panels: jq -n -f this >deploy/prometheus/dashboard.json
# Every query must have an answer on a cluster where pods got devices lately, so none is filtered by its value.

def selected: "node=~\"$node\"";
def of_pool: "node=~\"$node\", resource=~\"$resource\"";

# A panel: its width and height in Grafana's units, and pairs of a query and how its lines are called.
def panel($title; $type; $unit; $w; $h; $about; $queries): {
    title: $title, type: $type, description: $about,
    datasource: {type: "prometheus", uid: "${datasource}"},
    gridPos: {w: $w, h: $h},
    targets: [$queries | to_entries[] | {
        refId: ("ABCDEF"[.key:.key + 1]), expr: .value[0], legendFormat: .value[1],
        instant: ($type != "timeseries"), range: ($type == "timeseries"),
        format: (if $type == "table" then "table" else "time_series" end)}],
    fieldConfig: {defaults: ({unit: $unit, min: 0} +
        (if $type == "timeseries" then {custom: {fillOpacity: 8, lineWidth: 1, showPoints: "never"}} else {} end)), overrides: []},
    options: (
        if $type == "stat" then {reduceOptions: {calcs: ["lastNotNull"]}, colorMode: "none", graphMode: "none"}
        elif $type == "timeseries" then {legend: {displayMode: "list", placement: "bottom", showLegend: true},
            tooltip: {mode: "multi", sort: "desc"}}
        else {showHeader: true} end)
};
def stat($title; $about; $query): panel($title; "stat"; "short"; 4; 3; $about; [[$query, ""]]);
def lines($title; $unit; $about; $queries): panel($title; "timeseries"; $unit; 12; 7; $about; $queries);

# From left to right, and on to the next row where one is full.
def placed: reduce .[] as $panel ({x: 0, y: 0, h: 0, out: []};
    (if .x + $panel.gridPos.w > 24 then .y += .h | .x = 0 | .h = 0 else . end)
    | .out += [$panel | .gridPos += {x: 0, y: 0}] | .out[-1].gridPos.x = .x | .out[-1].gridPos.y = .y
    | .out[-1].id = (.out | length) | .x += $panel.gridPos.w | .h = ([.h, $panel.gridPos.h] | max)) | .out;

def variable($name; $query): {
    name: $name, label: $name, type: "query", datasource: {type: "prometheus", uid: "${datasource}"},
    query: {query: $query, refId: "variable"}, definition: $query, refresh: 2, sort: 1, multi: true, includeAll: true, allValue: ".*",
    current: {text: ["All"], value: ["$__all"]}
};

{
    title: "hardwire", uid: "hardwire", tags: ["hardwire", "network"], schemaVersion: 38, version: 1, editable: true,
    timezone: "", refresh: "1m", time: {from: "now-3h", to: "now"}, annotations: {list: []}, links: [],
    description: "Network devices of the nodes, as hardwired offers them to pods.",
    templating: {list: [
        {name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus", current: {}},
        variable("node"; "label_values(hardwired_build_info, node)"),
        variable("resource"; "label_values(hardwired_devices, resource)")
    ]},
    panels: ([
        stat("Nodes"; "Nodes whose hardwired answers."; "count(hardwired_build_info{\(selected)})"),
        stat("Devices"; "Devices that pools list."; "sum(hardwired_devices{\(of_pool)})"),
        stat("In pods"; "Devices that pods hold."; "sum(hardwired_devices_held{\(of_pool)})"),
        stat("Unhealthy"; "Devices that no pod gets now; `hardwired devices` says why.";
            "sum(hardwired_devices{\(of_pool), state=\"unhealthy\"})"),
        stat("Not registered"; "Pools that a kubelet does not know.";
            "sum(1 - hardwired_registered{\(of_pool)})"),
        stat("Not in force"; "Nodes whose configuration file is of no use, and pools that are refused.";
            "sum(1 - hardwired_config_in_force{\(selected)}) + sum(hardwired_pools_refused{\(selected)})"),
        lines("Devices by pool"; "short"; "What kubelets can give away, and what they gave.";
            [["sum by (resource, state) (hardwired_devices{\(of_pool)})", "{{resource}} {{state}}"],
             ["sum by (resource) (hardwired_devices_held{\(of_pool)})", "{{resource}} in pods"]]),
        lines("Calls of the plugin"; "ops"; "ADD and DEL, and those that failed. Code 11 waits for a predecessor.";
            [["sum by (verb) (rate(hardwired_attachments_total{\(selected)}[$__rate_interval]))", "{{verb}}"],
             ["sum by (verb) (rate(hardwired_attachments_total{\(selected), code!~\"0|11\"}[$__rate_interval]))", "{{verb}} failed"]]),
        lines("How long an ADD takes"; "s"; "IPAM included.";
            [["histogram_quantile(0.5, sum by (le) (rate(hardwired_attachment_duration_seconds_bucket{\(selected), verb=\"add\"}[$__rate_interval])))", "half of them"],
             ["histogram_quantile(0.99, sum by (le) (rate(hardwired_attachment_duration_seconds_bucket{\(selected), verb=\"add\"}[$__rate_interval])))", "99 of 100"]]),
        lines("Where the time of ADDs goes"; "s"; "Seconds per second, by phase.";
            [["sum by (phase) (rate(hardwired_attachment_phase_duration_seconds_sum{\(selected), verb=\"add\"}[$__rate_interval]))", "{{phase}}"]]),
        lines("Allocations"; "ops"; "Calls of Allocate: each is a container that starts.";
            [["sum by (resource, result) (rate(hardwired_allocations_total{\(of_pool)}[$__rate_interval]))", "{{resource}} {{result}}"]]),
        lines("Events and repairs"; "ops"; "What made the daemons look again, and attachments that no DEL came for.";
            [["sum by (source) (rate(hardwired_events_total{\(selected)}[$__rate_interval]))", "{{source}}"],
             ["sum by (result) (rate(hardwired_repairs_total{\(selected)}[$__rate_interval]))", "repair {{result}}"]]),
        lines("Witnesses"; "short"; "1 while the kubelet tells who has what, and while the node's journal can be read.";
            [["min by (node) (hardwired_podresources_heard{\(selected)})", "{{node}} kubelet"],
             ["min by (node) (hardwired_journal_heard{\(selected)})", "{{node}} journal"]]),
        panel("Versions"; "table"; "short"; 12; 7; "What runs where.";
            [["sum by (node, version, commit) (hardwired_build_info{\(selected)})", "{{node}} {{version}} {{commit}}"]])
    ] | placed)
}
