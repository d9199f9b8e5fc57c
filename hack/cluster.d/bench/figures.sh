# shellcheck shell=bash
# What was measured: one file of numbers for each figure, and how they are told.
# Relies on $work, a folder of its own.
# shellcheck disable=SC2154

# What was to be measured and was not; none may be when the bench ends well.
missing=0

# note FIGURE NUMBER
note() { echo "$2" >>"$work/figures/$1"; }

# median FIGURE
median() {
    sort -n "$work/figures/$1" | awk '{ all[NR] = $1 }
        END { printf "%.3f\n", (NR % 2) ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2 }'
}

heading() { printf '\n%-66s %9s   %-19s %s\n' "$1" median 'smallest, largest' samples; }

# tell FIGURE UNIT LABEL: the unit is s, or ms, which has what is noted in ms.
tell() {
    local file=$work/figures/$1 unit=$2 label=$3 digits=2
    [[ -s $file ]] || {
        printf '  %-64s %9s\n' "$label" 'no sample'
        missing=$((missing + 1))
        return
    }
    [[ $unit == s ]] || digits=1
    printf "  %-64s %6.${digits}f %-2s   %-19s %d\n" "$label" "$(median "$1")" "$unit" \
        "$(sort -n "$file" | awk -v digits="$digits" 'NR == 1 { first = $1 } { last = $1 }
            END { printf "%.*f, %.*f", digits, first, digits, last }')" "$(wc -l <"$file")"
}

# tell_ratio FIGURE OF LABEL: of two medians.
tell_ratio() {
    printf '  %-64s %7.3f\n' "$3" "$(awk -v one="$(median "$1")" -v other="$(median "$2")" 'BEGIN { print one / other }')"
}

# less MINUEND SUBTRAHEND: of seconds with their parts.
less() { awk -v one="$1" -v other="$2" 'BEGIN { printf "%.3f\n", one - other }'; }
