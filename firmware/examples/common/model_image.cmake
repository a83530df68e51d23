# Builds main/model.image into the component `main`. Include it behind idf_component_register.
get_filename_component(image "${COMPONENT_DIR}/model.image" ABSOLUTE)
set(source "${CMAKE_CURRENT_LIST_DIR}/model_image.S")
if(NOT EXISTS "${image}")
    message(FATAL_ERROR "main/model.image is missing: edgeq deploy resnet18-digits -o RUN, then copy RUN/model.image")
endif()
set_source_files_properties("${source}" PROPERTIES
    COMPILE_DEFINITIONS "EQ_MODEL_IMAGE=\"${image}\""
    OBJECT_DEPENDS "${image}")
