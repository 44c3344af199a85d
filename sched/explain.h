// Explain: why a workload does not start, and the nearest change with which it would. Tries the
// changes on the session and takes them back, so it says only what is true. Cold path.
#pragma once

#include "sched/session.h"

namespace flexai::sched {

Verdict explain(Session* session, uint32_t job);
Verdict waits_behind(const Session& session, uint32_t job);
// The same for another workload that asks for the same.
Verdict renamed(const Session& session, const Verdict& verdict, uint32_t job);
bool allows(const Session& session, const Shape& shape, NodeId node);
// Whether the node could hold a member if nothing ran on it.
bool fits_empty(const Session& session, const Shape& shape, NodeId node);
// No node could hold one member even when empty, near or far.
bool never_fits(const Session& session, uint32_t job);
// kNone, or what its queues forbid on every model that would do.
Reason quota_reason(const Session& session, uint32_t job);
// The first hard rule that keeps one member off the node; kNone: it would fit.
Reason first_obstacle(const Session& session, const Shape& shape, NodeId node);

}  // namespace flexai::sched
