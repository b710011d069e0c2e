# The CUDA backend. nvcc is called for its .cu files and nothing else: everything is linked by the C compiler, with
# CUDA's runtime inside and the driver opened at run time, so that the same program starts where there is no GPU.
if(CMAKE_CROSSCOMPILING)
  set(YOLK_CUDA_ARCHS "") # an empty one, which hides the one in the cache
endif()
# The system's, or else what scripts/setup.sh cuda has put into .deps.
find_program(YOLK_NVCC nvcc HINTS /usr/local/cuda/bin ENV CUDA_PATH PATHS ${CMAKE_SOURCE_DIR}/.deps/cuda/bin
             PATH_SUFFIXES bin)
if(YOLK_CUDA_ARCHS AND YOLK_NVCC)
  get_filename_component(YOLK_CUDA_HOME ${YOLK_NVCC} REALPATH)
  get_filename_component(YOLK_CUDA_HOME ${YOLK_CUDA_HOME} DIRECTORY)
  find_path(YOLK_CUDA_INCLUDE cuda_runtime_api.h HINTS ${YOLK_CUDA_HOME}/../include
            ${YOLK_CUDA_HOME}/../targets/x86_64-linux/include NO_DEFAULT_PATH)
  find_library(YOLK_CUDART cudart_static HINTS ${YOLK_CUDA_HOME}/../lib64 ${YOLK_CUDA_HOME}/../lib
               ${YOLK_CUDA_HOME}/../targets/x86_64-linux/lib NO_DEFAULT_PATH)
endif()
if(YOLK_CUDA_ARCHS AND YOLK_NVCC AND YOLK_CUDA_INCLUDE AND YOLK_CUDART)
  set(YOLK_HAS_CUDA ON)
  list(FILTER YOLK_SOURCES EXCLUDE REGEX "/src/backend/cuda/missing.c$")
else()
  set(YOLK_HAS_CUDA OFF)
  list(FILTER YOLK_SOURCES EXCLUDE REGEX "/src/backend/cuda/[^/]*.c$")
  list(APPEND YOLK_SOURCES ${CMAKE_SOURCE_DIR}/src/backend/cuda/missing.c
              ${CMAKE_SOURCE_DIR}/src/backend/cuda/errors.c)
  if(YOLK_CUDA_ARCHS)
    message(NOTICE "yolk: the CUDA backend is left out: CUDA's compiler nvcc, its headers or libcudart_static.a "
                   "were not found; scripts/setup.sh cuda gets them")
  endif()
endif()

# Each kernel file is compiled for all of YOLK_CUDA_ARCHS, and as PTX for what comes later.
set(YOLK_CUDA_OBJECTS)
if(YOLK_HAS_CUDA)
  set(codes)
  foreach(arch ${YOLK_CUDA_ARCHS})
    if(arch STREQUAL "native")
      list(APPEND codes -arch=native)
    else()
      list(APPEND codes -gencode arch=compute_${arch},code=sm_${arch})
      set(last ${arch})
    endif()
  endforeach()
  if(last)
    list(APPEND codes -gencode arch=compute_${last},code=compute_${last})
  endif()
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/backend/cuda/*.cu)
  foreach(kernel ${kernels})
    get_filename_component(name ${kernel} NAME_WE)
    set(object ${CMAKE_BINARY_DIR}/cuda/${name}.o)
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${YOLK_NVCC} -std=c++17 -O3 --threads 2 --compress-mode=size -I${CMAKE_SOURCE_DIR}/include -I${CMAKE_SOURCE_DIR}/src
              -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics -Werror all-warnings ${codes} -MD -MF
              ${object}.d -c ${kernel} -o ${object}
      DEPENDS ${kernel}
      DEPFILE ${object}.d
      COMMENT "Building CUDA object ${name}.o"
      VERBATIM)
    list(APPEND YOLK_CUDA_OBJECTS ${object})
  endforeach()
  set_source_files_properties(${YOLK_CUDA_OBJECTS} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
endif()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/cuda)

# Tests and benchmarks that need a GPU: BUILD/tests-gpu, BUILD/bench.
function(yolk_add_gpu_programs)
  if(NOT YOLK_HAS_CUDA)
    return()
  endif()
  find_path(CMOCKA_INCLUDE cmocka.h REQUIRED)
  find_library(CMOCKA_LIBRARY cmocka REQUIRED)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/gpu/test_*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests-gpu)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests ${CMOCKA_INCLUDE})
    target_compile_definitions(${name} PRIVATE YOLK_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE yolk ${CMOCKA_LIBRARY})
  endforeach()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*_gpu.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${name} PRIVATE yolk)
  endforeach()
endfunction()
