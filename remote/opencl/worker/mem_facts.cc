#include "remote/opencl/worker/mem_facts.h"

#include "remote/opencl/image_format.h"

namespace flexai::remote::opencl {
namespace {

using base::Code;
using base::fail;
using driver::opencl::Table;

constexpr cl_mem_flags kOfHost = CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR;

template <typename T>
bool get(const Table& table, cl_mem object, cl_mem_info what, T* value) {
  return table.clGetMemObjectInfo(object, what, sizeof *value, value, nullptr) == CL_SUCCESS;
}

template <typename T>
bool get_image(const Table& table, cl_mem object, cl_image_info what, T* value) {
  return table.clGetImageInfo(object, what, sizeof *value, value, nullptr) == CL_SUCCESS;
}

// Drivers of OpenCL 2 do not know the question.
std::vector<cl_mem_properties> properties_of(const Table& table, cl_mem object) {
  size_t bytes = 0;
  if (table.clGetMemObjectInfo(object, CL_MEM_PROPERTIES, 0, nullptr, &bytes) != CL_SUCCESS)
    return {};
  std::vector<cl_mem_properties> list(bytes / sizeof(cl_mem_properties));
  if (list.empty() || table.clGetMemObjectInfo(object, CL_MEM_PROPERTIES, bytes, list.data(),
                                               nullptr) != CL_SUCCESS)
    return {};
  return list;
}

bool image_facts(const Table& table, cl_mem object, MemFacts* facts) {
  cl_image_desc& desc = facts->desc;
  desc.image_type = facts->type;
  bool sound = get_image(table, object, CL_IMAGE_FORMAT, &facts->format) &&
               get_image(table, object, CL_IMAGE_WIDTH, &desc.image_width) &&
               get_image(table, object, CL_IMAGE_HEIGHT, &desc.image_height) &&
               get_image(table, object, CL_IMAGE_DEPTH, &desc.image_depth) &&
               get_image(table, object, CL_IMAGE_ARRAY_SIZE, &desc.image_array_size);
  // A view of a buffer has its rows where they were; of its own ones only the driver knows.
  if (facts->parent != nullptr && facts->type == CL_MEM_OBJECT_IMAGE2D)
    sound = sound && get_image(table, object, CL_IMAGE_ROW_PITCH, &desc.image_row_pitch);
  if (facts->parent == nullptr) facts->bytes = tight_bytes(facts->format, desc);
  return sound;
}

cl_mem make_buffer(const Table& table, const MemFacts& facts, cl_mem_flags flags, void* from,
                   cl_int& code) {
  if (facts.properties.empty())
    return table.clCreateBuffer(facts.context, flags, facts.size, from, &code);
  return table.clCreateBufferWithProperties(facts.context, facts.properties.data(), flags,
                                            facts.size, from, &code);
}

cl_mem make_image(const Table& table, const MemFacts& facts, cl_mem parent, cl_mem_flags flags,
                  void* from, cl_int& code) {
  cl_image_desc desc = facts.desc;
  desc.mem_object = parent;
  if (facts.properties.empty())
    return table.clCreateImage(facts.context, flags, &facts.format, &desc, from, &code);
  return table.clCreateImageWithProperties(facts.context, facts.properties.data(), flags,
                                           &facts.format, &desc, from, &code);
}

}  // namespace

base::Result<MemFacts> facts_of(const Table& table, cl_mem object) {
  MemFacts facts;
  if (!get(table, object, CL_MEM_TYPE, &facts.type) ||
      !get(table, object, CL_MEM_FLAGS, &facts.flags) ||
      !get(table, object, CL_MEM_CONTEXT, &facts.context) ||
      !get(table, object, CL_MEM_SIZE, &facts.size) ||
      !get(table, object, CL_MEM_ASSOCIATED_MEMOBJECT, &facts.parent))
    return fail(Code::kInternal, "the driver does not describe its memory object");
  if (facts.type == CL_MEM_OBJECT_PIPE)
    return fail(Code::kUnsupported, "the program uses a pipe, which has no contents to take along");
  facts.properties = properties_of(table, object);
  if (facts.type != CL_MEM_OBJECT_BUFFER) {
    if (!image_facts(table, object, &facts))
      return fail(Code::kInternal, "the driver does not describe its image");
  } else if (facts.parent == nullptr) {
    facts.bytes = facts.size;
  } else if (!get(table, object, CL_MEM_OFFSET, &facts.offset)) {
    return fail(Code::kInternal, "the driver does not describe its sub-buffer");
  }
  return facts;
}

cl_mem make_again(const Table& table, const MemFacts& facts, cl_mem parent, const void* contents,
                  cl_int& code) {
  cl_mem_flags flags = facts.flags & ~kOfHost;
  if (parent != nullptr && facts.type == CL_MEM_OBJECT_BUFFER) {
    cl_buffer_region region{facts.offset, facts.size};
    // What the driver tells includes what the whole has, which a part may not repeat.
    return table.clCreateSubBuffer(parent, flags & ~cl_mem_flags{CL_MEM_ALLOC_HOST_PTR},
                                   CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
  }
  void* from = parent == nullptr ? const_cast<void*>(contents) : nullptr;
  if (from != nullptr) flags |= CL_MEM_COPY_HOST_PTR;
  return facts.type == CL_MEM_OBJECT_BUFFER ? make_buffer(table, facts, flags, from, code)
                                            : make_image(table, facts, parent, flags, from, code);
}

}  // namespace flexai::remote::opencl
