"""D-01: the database goes away for a while and comes back, under writes.

The SurrealDB server is killed, and started again on the same data and port. Meanwhile every request is to be refused in
time, the node says that it lives and is not ready, and afterwards it works again by itself with all it acknowledged.
"""

import time

from load import Ledger, Probe, Writer, all_users, ended, new_user, other_than, samples_of, slowest
from load import without_retry_after
from rig import Rig, Stop, at_least, at_most, join_threads, none_of, start_threads, told, wait_until

WRITERS = 6
BEFORE = 2  # seconds of writing before
AFTER = 3  # seconds of writing after it works again
REFUSED_WITHIN = 1  # seconds, once the outage was noticed
HANG = 5
BACK_WITHIN = 5
PATIENCE = 15  # seconds until it counts as never


def run(options):
    away_for = 60 if options.long else 10
    with Rig(options.keep) as rig:
        database = rig.database()
        tenant = rig.tenant(database.url())
        node = rig.node(database.url())
        known = node.client(tenant.token).ask("POST", "/scim/v2/Users", new_user("known")).json["id"]
        tenant.people.append("known")

        ledger, stop = Ledger(), Stop()
        writers = [Writer(f"w{number}", node.client(tenant.token), ledger, stop) for number in range(WRITERS)]
        reader = Probe(node.client(tenant.token), f"/scim/v2/Users/{known}", stop, every=0.05)
        ready, alive = Probe(node.client(), "/readyz", stop), Probe(node.client(), "/healthz", stop)
        askers = start_threads([*writers, reader, ready, alive])
        time.sleep(BEFORE)
        acknowledged_before = ledger.acknowledged
        database.kill()
        away = time.monotonic()
        time.sleep(away_for)
        database.start()
        back = time.monotonic()
        used_again = {
            "users are created again after": first_after(writers, back, 201),
            "users are read again after": first_after([reader], back, 200),
            "/readyz is 200 again after": first_after([ready], back, 200),
        }
        time.sleep(AFTER)
        stop.set()
        join_threads(askers)

        requests = samples_of([*writers, reader])
        figures = refusals(requests, samples_of([ready]), away, back)
        figures.append(none_of("/healthz other than 200", other_than(samples_of([alive]), 200)))
        figures += [at_most(what, seconds, BACK_WITHIN) for what, seconds in used_again.items()]
        figures.append(at_least("writes acknowledged before", acknowledged_before, 20))
        figures.append(at_least("writes acknowledged after", ledger.acknowledged - acknowledged_before, 20))
        figures += ledger.verdict(all_users(node.client(tenant.token)), tenant.people)
        figures.append(rig.trails_are_whole(database.url()))
        return figures


def first_after(askers, moment, outcome):
    """Seconds from a moment until a request that was sent after it had that outcome; None if that does not come."""

    def done():
        return [s for asker in askers for s in tuple(asker.samples) if s.at >= moment and s.outcome == outcome]

    wait_until(done, moment + PATIENCE - time.monotonic())
    return min((ended(sample) - moment for sample in done()), default=None)


def refusals(requests, ready, away, back):
    """How requests were refused while the database was away."""
    meanwhile = [sample for sample in requests if ended(sample) > away and sample.at < back]
    noticed = min((ended(sample) for sample in meanwhile if sample.outcome == 503), default=back)
    while_known = [sample for sample in meanwhile if sample.at > noticed and ended(sample) < back]
    not_ready = [sample for sample in ready if sample.at > noticed and ended(sample) < back]
    return [
        told("first refusal after", noticed - away, "s"),
        told("requests refused while it was away", len(while_known)),
        at_most("slowest refusal once the outage was noticed", slowest(while_known), REFUSED_WITHIN),
        at_most("slowest answer of all", slowest(requests), HANG),
        none_of("answers other than 503 once it was noticed", other_than(while_known, 503)),
        none_of("outcomes other than success and 503", other_than(requests, 200, 201, 503)),
        none_of("503 without Retry-After", without_retry_after([*requests, *ready])),
        none_of("/readyz other than 503 while away", other_than(not_ready, 503)),
    ]
