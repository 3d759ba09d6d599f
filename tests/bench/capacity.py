"""The capacity and cost tables of deploy/RUNBOOK.md, out of results.json; tests/bench/run --publish puts them there.

Nothing in them is typed in by hand: the figures that they are made of stand beside them in a comment, and
tests/e2e/test_runbook.py makes the tables anew from those."""

import json
import math

import cost

MARKS = ("<!-- capacity -->", "<!-- end of capacity -->")
COMMENT = ("<!-- figures: ", " -->")

VOLUMES = (1, 10, 100, 1000)  # million records a day
DAY_S, MONTH_H, MONTH_DAYS = 86400, 730, 30.4
PEAK = 4  # of the busiest minutes, to the mean
BUSY = 0.5  # of its processor that a task uses before scaling adds another
LINGER_S = 1  # of an envelope for company, with delays of 100 s and more
MEASURED_RATE = 10_000  # of the prices

# us-east-1, ARM64, USD an hour; of the table and its point-in-time recovery, USD a GB and month.
VCPU, GB = 0.03238, 0.00356
STORED_GB = 0.25 + 0.20
# vCPU of a task: GB of router and scheduler; a relay has its budget twice and never less than 1 GB.
SIZES = {0.25: 0.5, 0.5: 1, 1: 2}
TASKS_FEW = 4  # more of them than that are larger ones first
SHARDS_LEAST, UNITS_OF_A_KEY = 8, 1000  # write units a second that DynamoDB gives one key
ONE_DELAY_DAYS, SPREAD_DAYS = 1, 3.5  # how long a record waits in the table; over 7 days: on average
KEPT_DAYS = 7 + 1  # DELAYLINE_RETENTION, and until the TTL has come by
RELAY_POLLS_A_MONTH = 2 * MONTH_H * 3600 / 5  # both queues, DELAYLINE_RELAY_WAIT
# A FIFO message is sent, received, deferred, received again and deleted.
SHORT_REQUESTS, READY_REQUESTS = 3, 5


def median(values):
    return sorted(values)[len(values) // 2]


def figures_of(known):
    """What the tables need, of the figures by name; None if some of it was not measured yet."""
    names = {
        "router_same": "router_same_delay_records_per_core_second",
        "router_random": "router_random_delay_records_per_core_second",
        "scheduler_same": "scheduler_records_per_core_second",
        "scheduler_random": "scheduler_lone_records_per_core_second",
        "relay": "relay_records_per_core_second",
        "usd_short": "usd_per_million_short_1kb",
        "usd_long": "usd_per_million_long_1kb",
        "usd_random": "usd_per_million_long_1kb_random_delay",
        "usd_idle": "idle_usd_per_month",
    }
    if any(name not in known for name in names.values()):
        return None
    of = {short: known[name]["value"] for short, name in names.items()}
    for path in ("long", "random"):
        counts = known[names[f"usd_{path}"]]["conditions"]["calls_and_units_per_million"]
        of[f"units_{path}"] = counts["BatchWriteItem"][1] / 1e6
    full = known[names["scheduler_same"]]["conditions"]
    of["records_an_envelope"] = full["records"] / full["items"]
    for program, speed in paced(known):
        of[program] = min(of[program], speed)
    return {name: float(f"{value:.3g}") for name, value in of.items()}


def paced(known):
    """Records a core second at 10,000/s, each at its millisecond: less than of a backlog."""
    conditions = known.get("e2e_10k_delay_error_p99_ms", {}).get("conditions", {})
    for run in conditions.get("paths", []):
        for path in ("short", "long"):
            records = conditions["rate"] * conditions["seconds"]
            for program, seconds in run[path]["cpu_seconds"].items():
                if program != "scheduler" or path == "long":
                    yield {"router": "router_same", "scheduler": "scheduler_same"}.get(program, program), records / seconds


# --- tasks --------------------------------------------------------------------------------------


def tasks(mean_cores, few=TASKS_FEW):
    """(vCPU of a task, tasks at the mean, at the peak)."""
    for size in SIZES:
        most = max(2, math.ceil(mean_cores * PEAK / BUSY / size))
        if most <= few or size == max(SIZES):
            return size, max(2, math.ceil(mean_cores / BUSY / size)), most


def schedulers(mean_cores):
    """Two, of which either can do it all."""
    size = next((size for size in SIZES if mean_cores * PEAK <= size), max(SIZES))
    return size, 2, 2


class Plan:
    """Of so many million records a day, whichever path they take."""

    def __init__(self, of, millions):
        self.of, self.millions = of, millions
        self.rate = millions * 1e6 / DAY_S
        self.router = tasks(self.rate / min(of["router_same"], of["router_random"]))
        self.scheduler = schedulers(self.rate / min(of["scheduler_same"], of["scheduler_random"]))
        self.relay = tasks(self.rate / of["relay"])
        wanted = self.rate * PEAK * of["units_long"] / UNITS_OF_A_KEY
        self.shards = max(SHARDS_LEAST, 2 ** math.ceil(math.log2(max(1, wanted))))

    def fargate(self):
        small = [(size, SIZES[size], count) for size, count, _ in (self.router, self.scheduler)]
        size, count, _ = self.relay
        every = [*small, (size, max(1, SIZES[size]), count)]
        return MONTH_H * sum(count * (size * VCPU + memory * GB) for size, memory, count in every)

    # Fewer records a second than were measured make smaller envelopes: what that costs is calculated, as if they came evenly.

    def packed(self):
        """Records an envelope of a router, and of what the scheduler hands over."""
        full = self.of["records_an_envelope"]
        of_a_router = self.rate * LINGER_S / self.router[1]
        return (min(full, max(1, of_a_router)), min(full, max(1, self.rate)))

    def more(self, records):
        """Messages a record beyond those of full ones."""
        return 1 / records - 1 / self.of["records_an_envelope"]

    def short_requests(self):
        return max(self.of["usd_short"] / cost.SQS_STANDARD, SHORT_REQUESTS / self.packed()[0])

    def units(self, path):
        rounded_up = self.more(self.packed()[0]) if path == "long" else 0
        return min(1, self.of[f"units_{path}"] + rounded_up)

    def requests_usd(self, path):
        """A month, without what an idle one costs."""
        if path == "short":
            million = self.short_requests() * cost.SQS_STANDARD
        else:
            million = self.of[f"usd_{path}"] + (self.units(path) - self.of[f"units_{path}"]) * cost.WRITE_UNIT
            million += READY_REQUESTS * self.more(self.packed()[1]) * cost.SQS_FIFO
        return million * self.millions * MONTH_DAYS

    def storage_usd(self, path):
        days = {"short": 0, "long": ONE_DELAY_DAYS + KEPT_DAYS, "random": SPREAD_DAYS + KEPT_DAYS}[path]
        return self.millions * 1e6 * self.units(path) * 1e3 * days / 1e9 * STORED_GB if days else 0

    def idle_usd(self):
        """As measured with one relay, and the polls of another."""
        each = RELAY_POLLS_A_MONTH * (cost.SQS_STANDARD + cost.SQS_FIFO) / 2 / 1e6
        return self.of["usd_idle"] + (self.relay[1] - 1) * each


# --- text ---------------------------------------------------------------------------------------


def usd(value):
    return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def count(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def sized(part, memory):
    size, mean, most = part
    number = f"{mean}" if mean == most else f"{mean} to {most}"
    return f"{number} × {size:g} vCPU, {memory:g} GB"


def rows_of_tasks(plans):
    yield ("records a day", "a second, mean and peak", "router", "scheduler", "relay", "`Shards`", "Fargate, USD a month at the mean")
    for plan in plans:
        router, scheduler, relay = plan.router, plan.scheduler, plan.relay
        yield (
            f"{plan.millions:,} million",
            f"{count(plan.rate)}, {count(plan.rate * PEAK)}",
            sized(router, SIZES[router[0]]),
            sized(scheduler, SIZES[scheduler[0]]),
            sized(relay, max(1, SIZES[relay[0]])),
            str(plan.shards),
            usd(plan.fargate()),
        )


def rows_of_cost(plans):
    yield ("records a day", "short path", "long path, one delay", "long path, over 7 days", "SQS requests a second, short path",
           "write units a second at the peak, long path")  # fmt: skip
    for plan in plans:
        long, random = (f"{usd(plan.requests_usd(path))} + {usd(plan.storage_usd(path))}" for path in ("long", "random"))
        peak = [plan.rate * PEAK * plan.units(path) for path in ("long", "random")]
        yield (
            f"{plan.millions:,} million",
            usd(plan.requests_usd("short")),
            long,
            random,
            count(plan.rate * plan.short_requests()),
            f"{count(peak[0])} and {count(peak[1])}",
        )


def grid(rows):
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * head.count(" | ") + "---|", *rest]) + "\n"


def text(of):
    """What stands between the marks."""
    plans = [Plan(of, millions) for millions in VOLUMES]
    comment = COMMENT[0] + json.dumps(of, sort_keys=True) + COMMENT[1]
    rest = f"Without a record, too, two relays, two schedulers and a router ask for work: ${usd(plans[0].idle_usd())} a month, which comes on top."
    return f"{comment}\n{grid(rows_of_tasks(plans))}\n{grid(rows_of_cost(plans))}\n{rest}\n"


def figures_in(told):
    """Those that a published text was made of."""
    return json.loads(told.split(COMMENT[0])[1].split(COMMENT[1])[0])
