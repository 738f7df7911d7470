"""Medians of what scripts/bench measured, and their ratios, as two Markdown tables: python3 bench-table.py FOLDER."""

import json
import statistics
import sys
from pathlib import Path


def runs(folder, name):
    found = [json.loads(file.read_text()) for file in sorted(folder.glob(f"{name}-[0-9]*.json"))
             if file.stem.removeprefix(f"{name}-").isdigit()]
    if not found:
        sys.exit(f"{folder} has no reports of {name}: run scripts/bench")
    return found


def median(reports, *path):
    def value(report):
        for key in path:
            report = report[key]
        return report

    return statistics.median(value(report) for report in reports)


def main(folder):
    limits = runs(folder, "limits")
    print(f"\n| what the machine can do | a second | (median of {len(limits)})")
    print("|---|---|")
    for key in limits[0]:
        print(f"| {key.removesuffix('_per_second').replace('_', ' ')} | {median(limits, key):,.0f} |")

    names = ["embedded", "embedded-one", "embedded-open", "embedded-hot", "embedded-many",
             "embedded-http", "embedded-overload", "servers", "servers-amqp",
             "servers-hot", "servers-many", "servers-2", "servers-4", "servers-http", "servers-overload", "servers-one",
             "servers-10", "servers-100", "servers-300", "servers-1000"]
    print("\n| `checkout load` | orders/s | p50 ms | p99 ms | CPU ms an order | round trips | MiB |")
    print("|---|---|---|---|---|---|---|")
    done = {}
    for name in names:
        reports = runs(folder, name)
        done[name] = median(reports, "orders_per_second")
        print(f"| {name} | {done[name]:,.0f} | {median(reports, 'latency_ms', 'p50'):.1f} "
              f"| {median(reports, 'latency_ms', 'p99'):.1f} | {median(reports, 'per_order', 'cpu_ms'):.2f} "
              f"| {median(reports, 'per_order', 'database_round_trips'):.2f} "
              f"| {median(reports, 'processes', 'checkout', 'memory_mib'):.0f} |")

    flushes = median(limits, "disk_flushes_per_second")
    rows = median(limits, "postgres_rows_per_second")
    hops = median(limits, "rabbitmq_hops_per_second")
    print("\n| ratio | |")
    print("|---|---|")
    for what, ratio in [
        ("embedded orders to flushes of the disk", done["embedded"] / flushes),
        ("orders on servers to rows that Postgres takes", done["servers"] / rows),
        ("orders on servers to hops that RabbitMQ takes", done["servers"] / hops),
        ("one hot product to 10,000 products, embedded", done["embedded-hot"] / done["embedded-many"]),
        ("one hot product to 10,000 products, servers", done["servers-hot"] / done["servers-many"]),
        ("orders that ended at twice what HTTP came to, to that, embedded", done["embedded-overload"] / done["embedded-http"]),
        ("the same, servers", done["servers-overload"] / done["servers-http"]),
        ("two of each worker to one", done["servers-2"] / done["servers"]),
        ("four of each worker to one", done["servers-4"] / done["servers"]),
    ]:
        print(f"| {what} | {ratio:.2f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
