# A picture of the dashboard: each panel's lines, numbers or rows, from the answers of a Prometheus.
# jq -r --slurpfile answers FILE --argjson since T --argjson now T -f this dashboard.json

def cell: 40;
def row: 30;
def colours: ["#3274d9", "#e0752d", "#56a64b", "#a352cc", "#e02f44", "#7a6a00", "#00838f", "#8e5a3c", "#666666", "#c15c9c"];
def escaped: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
def rounded($digits): pow(10; $digits) as $p | (. * $p | round) / $p;
# For people: 0.0042 s is 4.2 ms.
def shown($unit):
    if $unit == "s" then (if . >= 1 or . == 0 then "\(rounded(2)) s" elif . >= 0.001 then "\(. * 1000 | rounded(1)) ms" else "\(. * 1000000 | round) µs" end)
    elif $unit == "ops" then "\(rounded(2))/s"
    else "\(rounded(2))" end;
def text($x; $y; $size; $more): "<text x=\"\($x | rounded(1))\" y=\"\($y | rounded(1))\" font-size=\"\($size)\" \($more)>\(escaped)</text>";

# The lines of a panel: a name, and pairs of time and value.
def series($panel): [
    $answers[] | select(.id == $panel.id) | .legend as $legend | .answer[] | .metric as $metric | {
        name: (reduce ($metric | to_entries[]) as $part ($legend; gsub("\\{\\{" + $part.key + "\\}\\}"; $part.value))),
        values: [.values[] | [.[0], (.[1] | tonumber? // empty)] | select(length == 2 and (.[1] | isnormal or . == 0))]
    } | select(.values | length > 0)];

def legend($panel; $x; $y; $w; $h):
    $panel.fieldConfig.defaults.unit as $unit
    | [series($panel) | to_entries[] | {colour: colours[.key % (colours | length)], name: .value.name, last: .value.values[-1][1], key}]
    | sort_by([-.last, .key]) | .[:4] | to_entries[]
    | ($x + 12 + (.key % 2) * ($w / 2 - 6)) as $at | ($y + $h - 16 + (.key / 2 | floor) * 12) as $line
    | "<rect x=\"\($at)\" y=\"\($line - 7)\" width=\"8\" height=\"3\" fill=\"\(.value.colour)\"/>",
      ("\(.value.name): \(.value.last | shown($unit))" | .[:40] | text($at + 12; $line - 2; 9; "fill=\"#444\""));

def lines($panel; $x; $y; $w; $h):
    series($panel) as $series
    | $panel.fieldConfig.defaults.unit as $unit
    | ([$series[].values[][1], 0] | max) as $most
    | (if $most == 0 then 1 else $most end) as $scale
    | ($h - 74) as $height | ($w - 24) as $width
    | ($most | shown($unit) | text($x + $w - 12; $y + 36; 9; "fill=\"#888\" text-anchor=\"end\"")),
      "<path d=\"M\($x + 12) \($y + 40 + $height)h\($width)M\($x + 12) \($y + 40)h\($width)\" stroke=\"#ddd\" fill=\"none\"/>",
      ($series | to_entries[] | "<polyline fill=\"none\" stroke=\"\(colours[.key % (colours | length)])\" stroke-width=\"1.4\" points=\"\(
            [.value.values[] | "\($x + 12 + (.[0] - $since) / ($now - $since) * $width | rounded(1)),\($y + 40 + $height * (1 - .[1] / $scale) | rounded(1))"]
            | join(" "))\"/>"),
      legend($panel; $x; $y; $w; $h);

def rows($panel; $x; $y): series($panel) | to_entries[] | select(.key < 8) | .key as $key | .value.name | text($x + 12; $y + 44 + $key * 16; 11; "fill=\"#333\"");
def number($panel; $x; $y; $w): (series($panel)[0].values[-1][1] // null)
    | (if . == null then "-" else shown("short") end) | text($x + $w / 2; $y + 64; 26; "fill=\"#222\" text-anchor=\"middle\"");

([.panels[].gridPos | .y + .h] | max * row + 10) as $height
| "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"970\" height=\"\($height)\" viewBox=\"0 0 970 \($height)\" font-family=\"sans-serif\">",
  "<rect width=\"100%\" height=\"100%\" fill=\"#f4f5f5\"/>",
  (.panels[] as $panel | $panel.gridPos as $at
    | ($at.x * cell + 5) as $x | ($at.y * row + 5) as $y | ($at.w * cell - 6) as $w | ($at.h * row - 6) as $h
    | "<rect x=\"\($x)\" y=\"\($y)\" width=\"\($w)\" height=\"\($h)\" rx=\"3\" fill=\"#fff\" stroke=\"#ddd\"/>",
      ($panel.title | text($x + 12; $y + 20; 12; "fill=\"#222\" font-weight=\"bold\"")),
      (if $panel.type == "stat" then number($panel; $x; $y; $w)
       elif $panel.type == "table" then rows($panel; $x; $y)
       else lines($panel; $x; $y; $w; $h) end)),
  "</svg>"
