# A Debian package of what `cmake --install` puts into place: `./dev deb`, or cpack in a build folder.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME flexai)
set(CPACK_PACKAGE_CONTACT "The Flexai authors <flexai@flexai.io>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "slices of accelerator cards for unmodified programs")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "Agent, command line and libraries that cut the accelerator cards of a host into slices, and
 let programs of this host and of others use them; the plugin of kubectl and the parts that run in a cluster.")
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ocl-icd-libopencl1")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "bash-completion")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
  ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
set(CPACK_STRIP_FILES ON)
# The unit is written with the path that it will have; so the prefix is the real one.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
include(CPack)
