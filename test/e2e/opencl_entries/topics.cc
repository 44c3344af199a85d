#include "test/e2e/opencl_entries/topics.h"

namespace flexai::test {

const Topic kTopics[] = {
    {"buffers", run_buffers},
    {"callbacks", run_callbacks},
    {"command_buffer", run_command_buffer},
    {"default_queue", run_default_queue},
    {"images", run_images},
    {"large", run_large},
    {"map", run_map},
    {"native_kernel", run_native_kernel},
    {"order", run_order},
    {"profiling", run_profiling},
    {"programs", run_programs},
    {"program_settings", run_program_settings},
    {"queue_property", run_queue_property},
    {"queue_wait", run_queue_wait},
    {"references", run_references},
    {"refused_programs", run_refused_programs},
    {"seldom", run_seldom},
    {"sub_buffers", run_sub_buffers},
    {"sub_devices", run_sub_devices},
    {"svm", run_svm},
    {"threads", run_threads},
    {"user_events", run_user_events},
    {"wrong_arguments", run_wrong_arguments},
};
const size_t kTopicCount = sizeof(kTopics) / sizeof(kTopics[0]);

}  // namespace flexai::test
