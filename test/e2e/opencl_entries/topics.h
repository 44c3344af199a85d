// One function per topic; each in the file of its name.
#pragma once

#include "test/e2e/opencl_entries/session.h"

namespace flexai::test {

void run_buffers(Session& session);
void run_callbacks(Session& session);
void run_command_buffer(Session& session);
void run_default_queue(Session& session);
void run_images(Session& session);
void run_large(Session& session);
void run_map(Session& session);
void run_native_kernel(Session& session);
void run_order(Session& session);
void run_profiling(Session& session);
void run_programs(Session& session);
void run_program_settings(Session& session);
void run_queue_property(Session& session);
void run_queue_wait(Session& session);
void run_references(Session& session);
void run_refused_programs(Session& session);
void run_seldom(Session& session);
void run_sub_buffers(Session& session);
void run_sub_devices(Session& session);
void run_svm(Session& session);
void run_threads(Session& session);
void run_user_events(Session& session);
void run_wrong_arguments(Session& session);

}  // namespace flexai::test
