#include "driver/opencl/identity.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace flexai::driver::opencl {
namespace {

// A driver that answers from this list; handles are the elements' addresses.
struct Card {
  std::string name;
  std::string extensions;
  std::string uuid;
  cl_int bus = -1, slot = -1;
  cl_device_type type = CL_DEVICE_TYPE_GPU;
  cl_bool unified = CL_FALSE;
  Card* parent = nullptr;
};
std::vector<Card> g_cards;

cl_device_id handle(Card* card) { return reinterpret_cast<cl_device_id>(card); }

cl_int answer(const void* data, size_t bytes, size_t size, void* value, size_t* size_ret) {
  if (size_ret != nullptr) *size_ret = bytes;
  if (value != nullptr && size < bytes) return CL_INVALID_VALUE;
  if (value != nullptr) std::memcpy(value, data, bytes);
  return CL_SUCCESS;
}

cl_int CL_API_CALL device_info(cl_device_id device, cl_device_info info, size_t size, void* value,
                               size_t* size_ret) {
  const Card& card = *reinterpret_cast<Card*>(device);
  switch (info) {
    case CL_DEVICE_NAME:
      return answer(card.name.c_str(), card.name.size() + 1, size, value, size_ret);
    case CL_DEVICE_EXTENSIONS:
      return answer(card.extensions.c_str(), card.extensions.size() + 1, size, value, size_ret);
    case CL_DEVICE_UUID_KHR:
      return answer(card.uuid.data(), card.uuid.size(), size, value, size_ret);
    case CL_DEVICE_PARENT_DEVICE:
      return answer(&card.parent, sizeof(card.parent), size, value, size_ret);
    case CL_DEVICE_TYPE:
      return answer(&card.type, sizeof(card.type), size, value, size_ret);
    case CL_DEVICE_HOST_UNIFIED_MEMORY:
      return answer(&card.unified, sizeof(card.unified), size, value, size_ret);
    case 0x4008:
      return answer(&card.bus, sizeof(card.bus), size, value, size_ret);
    case 0x4009:
      return answer(&card.slot, sizeof(card.slot), size, value, size_ret);
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int CL_API_CALL platform_info(cl_platform_id, cl_platform_info, size_t size, void* value,
                                 size_t* size_ret) {
  return answer("Acme CL", 8, size, value, size_ret);
}

cl_int CL_API_CALL device_ids(cl_platform_id, cl_device_type, cl_uint, cl_device_id* devices,
                              cl_uint* count) {
  for (size_t i = 0; devices != nullptr && i < g_cards.size(); ++i)
    devices[i] = handle(&g_cards[i]);
  if (count != nullptr) *count = static_cast<cl_uint>(g_cards.size());
  return CL_SUCCESS;
}

Table fake_driver() {
  Table table;
  table.clGetDeviceInfo = device_info;
  table.clGetPlatformInfo = platform_info;
  table.clGetDeviceIDs = device_ids;
  return table;
}

std::string key(size_t card) { return device_key(fake_driver(), nullptr, handle(&g_cards[card])); }

TEST(Identity, EqualDevicesAreNumbered) {
  g_cards = {{.name = "X 1"}, {.name = "Y"}, {.name = "X 1"}};
  EXPECT_EQ(key(0), "opencl/Acme_CL/X_1/#0");
  EXPECT_EQ(key(1), "opencl/Acme_CL/Y/#0");
  EXPECT_EQ(key(2), "opencl/Acme_CL/X_1/#1");
}

TEST(Identity, HardwareAddressesWinAndSurviveReordering) {
  const std::string uuid = "0123456789abcdef";
  g_cards = {
      {.name = "X", .extensions = "cl_khr_fp64 cl_khr_device_uuid", .uuid = uuid},
      {.name = "X", .extensions = "cl_nv_device_attribute_query", .bus = 0x65, .slot = 0x19}};
  const std::string first = key(0), second = key(1);
  EXPECT_EQ(first, "opencl/Acme_CL/X/uuid-30313233343536373839616263646566#0");
  EXPECT_EQ(second, "opencl/Acme_CL/X/pci-0000:65:03.1#0");
  std::swap(g_cards[0], g_cards[1]);
  EXPECT_EQ(key(0), second);
  EXPECT_EQ(key(1), first);
}

TEST(Identity, WhereACardIsOnTheBusIsToldWhateverItIsCalled) {
  g_cards = {{.name = "X",
              .extensions = "cl_khr_device_uuid cl_nv_device_attribute_query",
              .uuid = "0123456789abcdef",
              .bus = 0x65,
              .slot = 0x19},
             {.name = "pocl"}};
  EXPECT_EQ(pci_address(fake_driver(), handle(&g_cards[0])), "0000:65:03.1");
  EXPECT_EQ(pci_address(fake_driver(), handle(&g_cards[1])), "");
  EXPECT_EQ(pci_address(Table{}, handle(&g_cards[0])), "");
}

TEST(Identity, TwoCardsWithOneUuidStillDiffer) {
  const std::string uuid = "same-same-same-u";
  g_cards = {{.name = "X", .extensions = "cl_khr_device_uuid", .uuid = uuid},
             {.name = "X", .extensions = "cl_khr_device_uuid", .uuid = uuid}};
  EXPECT_NE(key(0), key(1));
}

TEST(Identity, ExtensionNamesAreWholeWords) {
  g_cards = {{.name = "X", .extensions = "cl_khr_device_uuid_other", .uuid = "0123456789abcdef"}};
  EXPECT_EQ(key(0), "opencl/Acme_CL/X/#0");
}

TEST(Identity, SubDevicesAreTheirCard) {
  g_cards = {{.name = "X"}, {.name = "X"}};
  Card part{.name = "X", .parent = &g_cards[1]};
  Card part_of_part{.name = "X", .parent = &part};
  EXPECT_EQ(device_key(fake_driver(), nullptr, handle(&part_of_part)), key(1));
}

TEST(Identity, HostileNamesStayShortAndPrintable) {
  g_cards = {{.name = std::string(5000, '\n') + "/../"}};
  EXPECT_LE(key(0).size(), kMaxKey);
  EXPECT_EQ(key(0).find('\n'), std::string::npos);
  EXPECT_EQ(device_key(Table{}, nullptr, handle(&g_cards[0])), "");
}

TEST(Identity, OnlyCardsWithOwnMemoryHaveCopyEngines) {
  g_cards = {{.name = "gpu"},
             {.name = "cpu", .type = CL_DEVICE_TYPE_CPU},
             {.name = "integrated", .unified = CL_TRUE}};
  EXPECT_TRUE(has_copy_engine(fake_driver(), handle(&g_cards[0])));
  EXPECT_FALSE(has_copy_engine(fake_driver(), handle(&g_cards[1])));
  EXPECT_FALSE(has_copy_engine(fake_driver(), handle(&g_cards[2])));
  EXPECT_FALSE(has_copy_engine(Table{}, handle(&g_cards[0])));
}

}  // namespace
}  // namespace flexai::driver::opencl
