"""What is told about a Delayline: metrics in the logs of real programs, and what alarms and dashboards make of them."""

import concurrent.futures
import json
import re

import stack as s
from template import Template

PROGRAMS = ["router", "scheduler", "relay"]
NAMESPACE = "Delayline/e2e"
README, RUNBOOK = ((s.ROOT / "deploy" / name).read_text() for name in ("README.md", "RUNBOOK.md"))


def documented():
    """Metrics by program, with their units, as the table of deploy/README.md has them."""
    table = {program: {} for program in PROGRAMS}
    for names, programs, unit in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([\w, ]+) \| (\w+) \|", README, re.M):
        for program in PROGRAMS if programs == "all" else programs.split(", "):
            table[program].update(dict.fromkeys(re.findall(r"\w+", names), unit))
    return table


def test_what_metrics_cost():
    count = sum(map(len, documented().values()))
    assert f"{count} metrics at $0.30 are ${count * 0.3:.2f} a month" in README


# --- embedded metric format ---------------------------------------------------------------------

METRICS_MAX, VALUES_MAX, LINE_BYTES_MAX = 100, 100, 16 * 1024


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**360


def check_histogram(value):
    assert set(value) == {"Values", "Counts", "Min", "Max", "Count", "Sum"}
    assert 0 < len(value["Values"]) == len(value["Counts"]) <= VALUES_MAX
    assert value["Values"] == sorted(set(value["Values"]))
    assert all(map(is_number, value["Values"])) and all(count > 0 for count in value["Counts"])
    assert [value["Min"], value["Max"]] == [value["Values"][0], value["Values"][-1]]
    assert value["Count"] == sum(value["Counts"]) and is_number(value["Sum"])


def units_of(line):
    """Units by metric of a line that is as "Specification: Embedded metric format" of CloudWatch's guide has it."""
    assert len(json.dumps(line)) < LINE_BYTES_MAX
    assert set(line["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(line["_aws"]["Timestamp"], int)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert directive["Namespace"] == NAMESPACE
    assert directive["Dimensions"] == [["program"]] and line["program"] in PROGRAMS
    assert all(set(metric) == {"Name", "Unit"} for metric in directive["Metrics"])
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert 0 < len(units) == len(directive["Metrics"]) <= METRICS_MAX
    assert set(line) == {"time", "level", "program", "event", "_aws", *units}
    for name in units:
        if isinstance(line[name], dict):
            check_histogram(line[name])
        else:
            assert is_number(line[name])
    return units


def check_times(running):
    """A line an interval, in the middle of it. A busy machine may be late, and the next line is in its place again."""
    stamps = [line["_aws"]["Timestamp"] for line in running]
    assert len(stamps) >= 3
    assert all(later > earlier for earlier, later in zip(stamps, stamps[1:]))
    assert sum(stamp % 1000 >= 400 for stamp in stamps) * 2 > len(stamps), stamps


def test_metrics_are_in_the_log(new_stack):
    stack = new_stack(routers=0, schedulers=0, relays=0)
    settings = {"DELAYLINE_EMF_NAMESPACE": NAMESPACE, "DELAYLINE_EMF_INTERVAL": "1s"}
    programs = {name: stack.start(name, **settings) for name in PROGRAMS}
    for program in programs.values():
        program.wait_ready(30)
    assigned, router = "delayline_kafka_partitions_assigned", programs["router"].admin()
    s.wait_until("partitions", 30, lambda: s.metrics(router).get(assigned, 0) > 0)
    kafka = s.Kafka(stack)
    target = ("delay-target", stack.target.encode())
    beyond_horizon_s = int(s.FAST["DELAYLINE_HORIZON"].removesuffix("s")) + 3
    kafka.send(value=b"long", headers=[target, ("delay-for", b"%ds" % beyond_horizon_s)])
    kafka.send(value=b"short", headers=[target, ("delay-for", b"1s")])
    kafka.send(value=b"nowhere", headers=[("delay-for", b"1s")])
    kafka.read(stack.dead_letter_topic, 1, 40)
    kafka.read(stack.target, 2, 40)
    # What happens just before the stop is told by the last line.
    kafka.send(value=b"last", headers=[target, ("delay-for", b"0ms")])
    kafka.read(stack.target, 3, 20)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        codes = list(pool.map(lambda program: program.stop()[0], programs.values()))
    assert codes == [0, 0, 0]

    events = {name: program.events() for name, program in programs.items()}
    lines = {name: [event for event in events[name] if event["event"] == "metrics"] for name in PROGRAMS}
    for program in PROGRAMS:
        units = {}
        for line in lines[program]:
            units.update(units_of(line))
        assert units == documented()[program]
        running = [line for line in lines[program] if "Ready" in line]
        check_times(running)
        assert running[-1]["Throttles"] == 0 and {line["Ready"] for line in running} <= {0, 1}
        assert any(line["Ready"] == 1 for line in running)
        order = [event["event"] for event in events[program]]
        if "Ready" not in lines[program][-1]:
            last = len(order) - 1 - order[::-1].index("metrics")
            assert order.index("stopping") < last < order.index("stopped")
        assert not any("_aws" in event for event in events[program] if event["event"] != "metrics")

    def total(program, metric):
        return sum(line.get(metric, 0) for line in lines[program])

    assert (total("router", "RecordsTaken"), total("router", "DeadLettered")) == (4, 1)
    assert (total("scheduler", "RecordsDispatched"), total("scheduler", "Stragglers")) == (1, 0)
    assert (total("relay", "RecordsDelivered"), total("relay", "DeadLettered")) == (3, 0)
    assert sum(line["DelayError"]["Count"] for line in lines["relay"] if "DelayError" in line) == 3
    assert max(line.get("BudgetUsed", 0) for line in lines["relay"]) <= 100


# --- alarms, scaling, dashboards ----------------------------------------------------------------

FOLDER = s.ROOT / "deploy/cloudformation"
# AWS's own, each by the dimensions that it has.
OF_AWS = {
    "AWS/SQS": {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
        "NumberOfMessagesReceived",
    },
    "AWS/DynamoDB": {"WriteThrottleEvents", "ReadThrottleEvents", "ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"},
    "AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
    "AWS/Logs": {"EMFParsingErrors", "EMFValidationErrors"},
}


def template(name, deployment="orders"):
    values = json.loads((FOLDER / "parameters.json").read_text())["Parameters"]
    return Template(FOLDER / f"{name}.yml", {**values, "Name": deployment})


def named_by(part):
    """(namespace, metric, dimensions) of everything in a template that names a metric."""
    if isinstance(part, list):
        for each in part:
            yield from named_by(each)
    elif isinstance(part, dict):
        if "MetricName" in part:
            dimensions = {each["Name"]: each["Value"] for each in part["Dimensions"]}
            yield part["Namespace"], part["MetricName"], dimensions
        for each in part.values():
            yield from named_by(each)


def on_dashboard(text):
    for widget in json.loads(text)["widgets"]:
        for namespace, metric, *rest in widget["properties"]["metrics"]:
            *dimensions, options = rest
            assert set(options) <= {"stat", "label", "yAxis"}
            yield namespace, metric, dict(zip(dimensions[::2], dimensions[1::2]))


def test_alarms_scaling_and_dashboard_name_what_there_is():
    data, services, watch = map(template, ("data", "services", "watch"))
    (dashboard,) = watch.of_type("AWS::CloudWatch::Dashboard").values()
    named = [each for t in (data, services, watch) for each in named_by(t.resources)]
    named += on_dashboard(dashboard["DashboardBody"])
    queues = {each["QueueName"] for each in data.of_type("AWS::SQS::Queue").values()}
    things = {
        "QueueName": queues | {f"{name}.QueueName" for name in data.of_type("AWS::SQS::Queue")},
        "TableName": {each["TableName"] for each in data.of_type("AWS::DynamoDB::Table").values()} | {"Table"},
        "ClusterName": {each["ClusterName"] for each in services.of_type("AWS::ECS::Cluster").values()} | {"Cluster"},
        "ServiceName": set(PROGRAMS) | {f"{program.capitalize()}Service.Name" for program in PROGRAMS},
        "LogGroupName": {each["LogGroupName"] for each in services.of_type("AWS::Logs::LogGroup").values()},
    }
    assert set(PROGRAMS) == {each["ServiceName"] for each in services.of_type("AWS::ECS::Service").values()}
    told = {program: set() for program in PROGRAMS}
    for namespace, metric, dimensions in named:
        if namespace == "Delayline/orders":
            assert list(dimensions) == ["program"]
            told[dimensions["program"]].add(metric)
        else:
            assert metric in OF_AWS[namespace], metric
            assert dimensions and all(value in things[name] for name, value in dimensions.items()), dimensions
    assert told == {program: set(units) for program, units in documented().items()}, "told and not used, or used and not told"
    for program in PROGRAMS:
        task = services.resources[f"{program.capitalize()}Task"]["Properties"]["ContainerDefinitions"][0]
        assert {"Name": "DELAYLINE_EMF_NAMESPACE", "Value": "Delayline/orders"} in task["Environment"]


def test_each_alarm_is_explained():
    alarms = {name for each in ("data", "services", "watch") for name in template(each).of_type("AWS::CloudWatch::Alarm")}
    table = RUNBOOK.split("| alarm | means | what to do |")[1].split("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"\w+", row)) == sorted(alarms)
    assert f"{len(alarms)} alarms" in README


def test_grafana_readme_and_runbook_name_what_programs_tell(fast_stack):
    labels = {}
    for program in PROGRAMS:
        for series in s.metrics(fast_stack.admins(program)[0]):
            name, _, inside = series.partition("{")
            labels.setdefault(name, {"job", "instance"}).update(re.findall(r'(\w+)="', inside))
    assert set(re.findall(r"\bdelayline_\w+", README + RUNBOOK)) <= set(labels)
    board = json.loads((s.ROOT / "deploy/grafana/delayline.json").read_text())
    targets = [target for panel in board["panels"] for target in panel["targets"]]
    assert len(targets) > 20
    for target in targets:
        expr = target["expr"]
        asked = re.findall(r"\b((?:delayline|process)_\w+)\{([^}]*)\}", expr)
        assert len(asked) == len(re.findall(r"\b(?:delayline|process)_", expr)) > 0, expr
        by = {label for group in re.findall(r"by \(([^)]*)\)", expr) for label in group.split(", ")}
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert not by or shown <= by, target
        for name, matchers in asked:
            assert name in labels, name
            assert {matcher.split("=")[0] for matcher in matchers.split(",")} | by | shown <= labels[name], expr
