"""Loaded by schemathesis: calls that may wait for days wait for a moment only."""
MOST = {"/v1/events": 300}  # what is refused as too long stays so
import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query
    if not query or "wait" not in query:
        return
    try:
        if 0.1 < float(query["wait"]) <= MOST.get(case.path, 604800):
            query["wait"] = 0.1
    except (TypeError, ValueError, OverflowError):
        pass
